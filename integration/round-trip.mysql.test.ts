import assert from "node:assert/strict";
import { test } from "node:test";
import { compareMariadb } from "./fixtures/compare-databases.ts";
import { mariadb } from "./fixtures/mariadb-client.ts";
import { startMariadb } from "./fixtures/mariadb-server.ts";
import { createMariadbShop } from "./fixtures/mariadb-shop.ts";
import { makeDbctlScratch } from "./fixtures/run-dbctl.ts";
import { dumpMariadbSchema } from "./fixtures/schema-dump.ts";

test("a MariaDB shop comes back: rows, and the schema as mariadb-dump sees it", async () => {
  await using server = await startMariadb();
  await using other = await startMariadb();
  await using dbctl = await makeDbctlScratch();
  await mariadb(server, "", "create database shop");
  const source = { server, database: "shop" };
  await createMariadbShop(source, { megabytes: 20 });
  const backup = await dbctl.ok("backup", server.url("shop"), "--repo", dbctl.repo);
  assert.equal(backup.state, "complete");
  const key = ["--repo", dbctl.repo, "--identity", dbctl.identity];
  // Beside the original under another name, and on another server under the same.
  for (const copy of [
    { server, database: "copy" },
    { server: other, database: "shop" },
  ]) {
    const to = ["--to", copy.server.url(copy.database), "--create"];
    const restored = await dbctl.ok("restore", backup.backup, ...key, ...to);
    assert.equal(restored["rows"], backup["rows"]);
    assert.deepEqual(await compareMariadb(source, copy), []);
    assert.equal(await dumpMariadbSchema(copy), await dumpMariadbSchema(source));
  }
});
