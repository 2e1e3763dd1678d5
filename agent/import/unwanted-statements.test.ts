import assert from "node:assert/strict";
import { test } from "node:test";
import { whyNot } from "./unwanted-statements.ts";

const wanted = { owners: false, privileges: true, roles: new Set<string>() };

test("whyNot() finds owners of any name, and nothing that only looks like one", () => {
  for (const sql of [
    "ALTER TABLE public.t OWNER TO ann",
    'ALTER FUNCTION "s"."f"(a integer) OWNER TO "Shop ""Clerk"" of the day"',
  ]) {
    assert.equal(whyNot(sql, wanted), "owners are not wanted");
    assert.equal(whyNot(sql, { ...wanted, owners: true }), undefined);
  }
  assert.equal(whyNot("ALTER TABLE t ADD c text DEFAULT ' OWNER TO x y'", wanted), undefined);
});
