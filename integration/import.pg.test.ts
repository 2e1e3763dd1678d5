import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { writeFile } from "node:fs/promises";
import { promisify } from "node:util";
import { comparePostgres } from "./fixtures/compare-databases.ts";
import { type PostgresServer, startPostgres } from "./fixtures/postgres-server.ts";
import { createPostgresPartitions, createPostgresShop } from "./fixtures/postgres-shop.ts";
import { psql } from "./fixtures/psql.ts";
import { type DbctlScratch, makeDbctlScratch } from "./fixtures/run-dbctl.ts";
import { dumpPostgresSchema } from "./fixtures/schema-dump.ts";

const execute = promisify(execFile);

describe("dbctl import of pg_dump", () => {
  const stack = new AsyncDisposableStack();
  let server: PostgresServer;
  let dbctl: DbctlScratch;
  let dump: string;

  before(async () => {
    server = stack.use(await startPostgres(15));
    dbctl = stack.use(await makeDbctlScratch({ init: false }));
    await psql(server, "postgres", "create database shop");
    const source = { server, database: "shop" };
    await createPostgresShop(source, { megabytes: 20 });
    await createPostgresPartitions(source, { rowCount: 5000 });
    dump = await dumpInto("shop.sql", ["shop"]);
  });
  after(() => stack.disposeAsync());

  async function dumpInto(name: string, args: string[], program = "pg_dump"): Promise<string> {
    const file = join(dbctl.folder, name);
    await execute(join(server.programs, program), [...where(), "-f", file, ...args]);
    return file;
  }

  const where = () => ["-h", server.socketFolder, "-p", String(server.port), "-U", "postgres"];
  const clientOf = (database: string) => [...where(), "-X", "-d", database];

  const shop = () => ({ server, database: "shop" });
  const into = (database: string) => ["--to", server.url(database), "--create", ...trusting];
  const trusting = ["--allow-superuser"];
  const exists = async (database: string) =>
    (await psql(server, "postgres", `select 1 from pg_database where datname = '${database}'`)) ===
    "1";

  /** A script of our own, as bytes. */
  async function script(name: string, text: string): Promise<string> {
    const file = join(dbctl.folder, name);
    await writeFile(file, Buffer.from(text, "latin1"));
    return file;
  }

  async function assertShop(database: string): Promise<void> {
    const copy = { server, database };
    assert.deepEqual(await comparePostgres(shop(), copy), []);
    assert.equal(await dumpPostgresSchema(copy), await dumpPostgresSchema(shop()));
  }

  test("a plain dump comes back as the database that it was made of", async () => {
    const done = await dbctl.ok("import", dump, ...into("plain"), "--jobs", "3");
    await assertShop("plain");
    const { ok, tables, tool, serverVersion } = await dbctl.ok("import", "--check", dump);
    assert.deepEqual([ok, tool], [true, "pg_dump"]);
    assert.match(String(serverVersion), /^15\./);
    const rows = (tables as { rows: number }[]).reduce((sum, table) => sum + table.rows, 0);
    assert.equal(done["rows"], rows);
  });

  test("a dump in gzip or zstd comes back, also from a pipe of the tools' own", async () => {
    for (const [program, name] of [
      ["gzip", "gz"],
      ["zstd", "zst"],
    ] as const) {
      const file = `${dump}.${name}`;
      await execute("sh", ["-c", `${program} -c ${dump} > ${file}`]);
      const done = await dbctl.ok("import", file, ...into(`from_${name}`));
      assert.ok(Number(done["rows"]) > 10_000);
      await assertShop(`from_${name}`);
    }
    const bzip2 = `${dump}.bz2`;
    await execute("sh", ["-c", `head -c 1000 ${dump} | bzip2 -c > ${bzip2}`]);
    const refused = await dbctl.run("import", bzip2, ...into("never"), "--json");
    assert.equal(refused.code, 65);
    assert.match(refused.document.error.message, /compressed with bzip2/);
    assert.match(refused.document.error.remedy, /bzip2 -d/);
  });

  test("a dump of INSERTs comes back as its vendor's client loads it", async () => {
    const inserts = await dumpInto("inserts.sql", ["--rows-per-insert=50", "shop"]);
    await dbctl.ok("import", inserts, ...into("from_inserts"));
    // As the vendor's client loads it: an INSERT has lost the sign of a zero already.
    await psql(server, "postgres", "create database reference");
    await execute("psql", [...clientOf("reference"), "-q", "-f", inserts]);
    const reference = { server, database: "reference" };
    const copy = { server, database: "from_inserts" };
    assert.deepEqual(await comparePostgres(reference, copy), []);
    assert.equal(await dumpPostgresSchema(copy), await dumpPostgresSchema(shop()));
  });

  test("a dump that drops and makes its own database goes into one of another name", async () => {
    await psql(server, "postgres", "alter database shop set work_mem to '7MB'");
    const making = await dumpInto("making.sql", ["--create", "--clean", "--if-exists", "shop"]);
    await dbctl.ok("import", making, ...into('we"ird; name'.replaceAll('"', "%22")));
    assert.equal(await psql(server, 'we"ird; name', "show work_mem"), "7MB");
    const copy = { server, database: 'we"ird; name' };
    assert.deepEqual(await comparePostgres(shop(), copy), []);
  });
});
