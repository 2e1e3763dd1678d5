import assert from "node:assert/strict";
import { test } from "node:test";
import type { TableEntry } from "../backup/backup-body.ts";
import { nameFiles } from "./table-files.ts";

function table(schema: string, name: string): TableEntry {
  const data = { schema, name, columns: [], format: "", details: null };
  return { data, streams: [], sums: { rows: "0", bytes: "0", digest: "" } };
}

test("nameFiles() gives names that no folder and no shell misreads, each once", () => {
  const long = "ä".repeat(60);
  const tables = [
    table("shop", "orders"),
    table("shop", "Orders"),
    table("..", "../../x"),
    table("-rf", "a b\n$(x)"),
    table("s", long),
    table("s", `${long}x`),
  ];
  const names = [...nameFiles(tables, "csv").values()];
  assert.equal(names[0], "shop.orders.csv");
  assert.match(names[1] ?? "", /^shop\.Orders-[0-9a-f]{16}\.csv$/);
  assert.equal(names[2], "%2e....%2f..%2fx.csv");
  assert.equal(names[3], "%2drf.a%20b%0a%24%28x%29.csv");
  assert.equal(new Set(names.map((name) => name.toLowerCase())).size, names.length);
  for (const name of names) assert.ok(/^[\w%][\w.%-]*$/.test(name) && name.length < 200, name);
});
