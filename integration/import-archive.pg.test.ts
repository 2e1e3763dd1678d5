import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { comparePostgres } from "./fixtures/compare-databases.ts";
import { type PostgresServer, startPostgres } from "./fixtures/postgres-server.ts";
import { createPostgresPartitions, createPostgresShop } from "./fixtures/postgres-shop.ts";
import { psql } from "./fixtures/psql.ts";
import { type DbctlScratch, makeDbctlScratch } from "./fixtures/run-dbctl.ts";
import { dumpPostgresSchema } from "./fixtures/schema-dump.ts";

const execute = promisify(execFile);
const resources = new AsyncDisposableStack();
let server: PostgresServer;
let dbctl: DbctlScratch;

before(async () => {
  server = resources.use(await startPostgres(15));
  dbctl = resources.use(await makeDbctlScratch({ init: false }));
  await psql(server, "postgres", "create database shop");
  await createPostgresShop({ server, database: "shop" }, { megabytes: 5 });
  await createPostgresPartitions({ server, database: "shop" }, { rowCount: 500 });
});
after(async () => await resources.disposeAsync());

const at = (name: string) => join(dbctl.folder, name);

async function dump(database: string, ...flags: string[]): Promise<void> {
  const where = ["-h", server.socketFolder, "-p", String(server.port), "-U", "postgres"];
  await execute(join(server.programs, "pg_dump"), [...where, ...flags, database]);
}

async function importAndCompare(file: string, database: string, original = "shop"): Promise<void> {
  const source = { server, database: original };
  const flags = ["--create", "--allow-superuser", "--jobs", "3"];
  const result = await dbctl.ok("import", file, "--to", server.url(database), ...flags);
  assert.ok(Number(result["rows"]) > 5000);
  const copy = { server, database };
  assert.deepEqual(await comparePostgres(source, copy), []);
  assert.equal(await dumpPostgresSchema(copy), await dumpPostgresSchema(source));
  await psql(server, "postgres", `drop database ${database}`);
}

for (const [title, flags] of [
  ["custom", ["-Fc"]],
  ["custom without compression", ["-Fc", "-Z0"]],
  ["directory", ["-Fd"]],
  ["directory without compression", ["-Fd", "-Z0"]],
  ["tar", ["-Ft"]],
] as const)
  test(`an archive comes back as it was: ${title}`, async () => {
    const name = title.replaceAll(" ", "-").toLowerCase();
    await dump("shop", ...flags, "-f", at(name));
    const check = await dbctl.ok("import", "--check", at(name));
    assert.equal(check["format"], `pg-${title.split(" ")[0]}`);
    await importAndCompare(at(name), name.replaceAll("-", "_"));
  });

test("an archive of INSERTs comes back as pg_restore has it", async () => {
  await dump("shop", "-Fc", "--inserts", "--rows-per-insert=50", "-f", at("inserts"));
  await psql(server, "postgres", "create database restored template template0");
  const where = ["-h", server.socketFolder, "-p", String(server.port), "-U", "postgres"];
  const restore = join(server.programs, "pg_restore");
  await execute(restore, [...where, "-d", "restored", at("inserts")]);
  await importAndCompare(at("inserts"), "inserts", "restored");
});

test("an archive that was written to a pipe comes back, too", async () => {
  const where = ["-h", server.socketFolder, "-p", String(server.port), "-U", "postgres"];
  const child = execute(join(server.programs, "pg_dump"), [...where, "-Fc", "shop"], {
    encoding: "buffer",
    maxBuffer: 1 << 28,
  });
  await writeFile(at("piped"), (await child).stdout);
  await importAndCompare(at("piped"), "piped");
});
