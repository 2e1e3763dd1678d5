import assert from "node:assert/strict";
import { test } from "node:test";
import type { TableEntry } from "../backup/backup-body.ts";
import { chooseTables } from "./choose-tables.ts";

function table(schema: string, name: string): TableEntry {
  const data = { schema, name, columns: [], format: "", details: null };
  return { data, streams: [], sums: { rows: "0", bytes: "0", digest: "" } };
}

const tables = [
  table("shop", "orders"),
  table("shop", "order_lines"),
  table("staff", "orders"),
  table("shop", "a.b[1]"),
  table("shop", "Größe"),
];
const names = (include: string[], exclude: string[] = [], allowNoMatch = false) =>
  chooseTables(tables, { include, exclude, allowNoMatch }).map(
    ({ data }) => `${data.schema}.${data.name}`,
  );

const cases: [include: string[], exclude: string[], found: string[]][] = [
  [[], ["*"], []],
  [["orders"], [], ["shop.orders", "staff.orders"]],
  [["shop.order*"], [], ["shop.orders", "shop.order_lines"]],
  [["*"], ["shop.*"], ["staff.orders"]],
  [["s[a-h]*.*"], [], ["shop.orders", "shop.order_lines", "shop.a.b[1]", "shop.Größe"]],
  [["Gr??e"], [], ["shop.Größe"]],
  [["order[!s]*"], [], ["shop.order_lines"]],
  [["shop.a.b[[]1]"], [], ["shop.a.b[1]"]],
];
for (const [include, exclude, found] of cases)
  test(`chooseTables() with ${include.join()} and not ${exclude.join()} finds ${found.join()}`, () =>
    assert.deepEqual(names(include, exclude), found));

test("chooseTables() refuses a pattern without a match, and names what is near", () => {
  assert.throws(() => names(["Orders"]), { code: "usage", remedy: /mean orders/ });
  assert.throws(() => names([], ["shop.oders"]), { remedy: /shop\.orders/ });
  assert.deepEqual(names(["Orders"], [], true), []);
});
