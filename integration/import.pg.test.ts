import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
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
    const where = ["-h", server.socketFolder, "-p", String(server.port), "-U", "postgres"];
    await execute(join(server.programs, program), [...where, "-f", file, ...args]);
    return file;
  }

  const shop = () => ({ server, database: "shop" });
  const into = (database: string) => ["--to", server.url(database), "--create", "--allow-superuser"];

  test("a plain dump comes back as the database that it was made of", async () => {
    const done = await dbctl.ok("import", dump, ...into("plain"));
    const copy = { server, database: "plain" };
    assert.deepEqual(await comparePostgres(shop(), copy), []);
    assert.equal(await dumpPostgresSchema(copy), await dumpPostgresSchema(shop()));
    assert.ok(Number(done["rows"]) > 10_000);
  });
});
