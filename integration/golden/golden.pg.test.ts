import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type PostgresServer, startPostgres } from "../fixtures/postgres-server.ts";
import { hashPostgresTables } from "./golden-databases.ts";
import { copyGolden, findGolden, type GoldenCopy } from "./golden-repository.ts";

let server: PostgresServer;
let golden: GoldenCopy;
const resources = new AsyncDisposableStack();
before(async () => {
  server = resources.use(await startPostgres(15));
  golden = resources.use(await copyGolden());
});
after(() => resources.disposeAsync());

for (const name of ["first", "deduplicated", "partial"] as const)
  test(`dbctl restores the golden backup "${name}" as the server had it`, async () => {
    const { dbctl } = golden;
    const { id, tables, isDeleted } = await findGolden(name);
    const from = ["--repo", dbctl.repo, "--identity", dbctl.identity];
    const deleted = isDeleted ? ["--deleted"] : [];
    await dbctl.ok("restore", id, ...from, "--to", server.url(name), "--create", ...deleted);
    assert.deepEqual(await hashPostgresTables({ server, database: name }), tables);
  });

test("dbctl goes on in the golden repository: new backups, and the old ones stay whole", async () => {
  const { dbctl } = golden;
  const at = ["--repo", dbctl.repo];
  const { backup } = await dbctl.ok("backup", server.url("first"), ...at);
  const from = [...at, "--identity", dbctl.identity];
  await dbctl.ok("restore", backup, ...from, "--to", server.url("again"), "--create");
  const { tables } = await findGolden("first");
  assert.deepEqual(await hashPostgresTables({ server, database: "again" }), tables);
  const all = await dbctl.run("verify", "--all", ...from);
  assert.match(all.stdout, /^5 backups are whole/);
});
