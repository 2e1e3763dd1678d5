import assert from "node:assert/strict";
import { test } from "node:test";
import { startMariadb } from "../fixtures/mariadb-server.ts";
import { hashMariadbTables } from "./golden-databases.ts";
import { copyGolden, findGolden } from "./golden-repository.ts";

test("dbctl restores the golden backup of MariaDB as the server had it", async () => {
  await using server = await startMariadb();
  await using golden = await copyGolden();
  const { dbctl } = golden;
  const { id, tables } = await findGolden("mariadb");
  const from = ["--repo", dbctl.repo, "--identity", dbctl.identity];
  await dbctl.ok("restore", id, ...from, "--to", server.url("restored"), "--create");
  assert.deepEqual(await hashMariadbTables({ server, database: "restored" }), tables);
});
