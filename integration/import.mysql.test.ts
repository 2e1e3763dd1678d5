import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { compareMariadb } from "./fixtures/compare-databases.ts";
import { mariadb } from "./fixtures/mariadb-client.ts";
import { type MariadbServer, startMariadb } from "./fixtures/mariadb-server.ts";
import { createMariadbShop } from "./fixtures/mariadb-shop.ts";
import { type DbctlScratch, makeDbctlScratch } from "./fixtures/run-dbctl.ts";
import { dumpMariadbSchema } from "./fixtures/schema-dump.ts";

const execute = promisify(execFile);

describe("dbctl import of mariadb-dump", () => {
  const stack = new AsyncDisposableStack();
  let server: MariadbServer;
  let dbctl: DbctlScratch;
  const shop = () => ({ server, database: "shop" });

  before(async () => {
    server = stack.use(await startMariadb());
    dbctl = stack.use(await makeDbctlScratch({ init: false }));
    await mariadb(server, "", "create database shop");
    await createMariadbShop(shop(), { megabytes: 3 });
  });
  after(() => stack.disposeAsync());

  async function dump(name: string, args: string[]): Promise<string> {
    const file = join(dbctl.folder, name);
    const where = ["--no-defaults", "-u", "root", `--socket=${server.socket}`];
    const what = ["--default-character-set=utf8mb4", "--routines", "--events", "--triggers"];
    await execute("mariadb-dump", [...where, ...what, `--result-file=${file}`, ...args]);
    return file;
  }

  const into = (database: string) => [
    "--to",
    server.url(database),
    "--create",
    "--allow-superuser",
  ];

  /** What the vendor's client makes of a dump: a FLOAT has lost digits in it already. */
  async function loadWithClient(file: string, database: string): Promise<void> {
    const args = ["--no-defaults", "-u", "root", `--socket=${server.socket}`];
    await mariadb(server, "", `create database ${database}`);
    await execute("mariadb", [...args, database, "-e", `source ${file}`]);
  }

  for (const [name, args] of Object.entries({
    plain: ["shop"],
    hexadecimal: ["--hex-blob", "--skip-extended-insert", "--complete-insert", "shop"],
  }))
    test(`a dump (${name}) comes back as the database that it was made of`, async () => {
      const file = await dump(`${name}.sql`, args);
      const done = await dbctl.ok("import", file, ...into(`copy_${name}`));
      const copy = { server, database: `copy_${name}` };
      await loadWithClient(file, `reference_${name}`);
      const reference = { server, database: `reference_${name}` };
      assert.deepEqual(await compareMariadb(reference, copy), []);
      assert.equal(await dumpMariadbSchema(copy), await dumpMariadbSchema(shop()));
      assert.ok(Number(done["rows"]) > 5000);
    });
});
