import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { openDump } from "../agent/import/open-dump.ts";
import { DbctlError } from "../core/errors.ts";
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
  await createPostgresShop({ server, database: "shop" }, { megabytes: 2 });
  await createPostgresPartitions({ server, database: "shop" }, { rowCount: 500 });
});
after(async () => await resources.disposeAsync());

const at = (name: string) => join(dbctl.folder, name);

async function dump(database: string, ...flags: string[]): Promise<void> {
  const where = ["-h", server.socketFolder, "-p", String(server.port), "-U", "postgres"];
  await execute(join(server.programs, "pg_dump"), [...where, ...flags, database]);
}

/** One that pg_dump could not go back in, to tell where data are. */
async function pipedDump(database: string): Promise<Buffer> {
  const where = ["-h", server.socketFolder, "-p", String(server.port), "-U", "postgres"];
  const program = join(server.programs, "pg_dump");
  const { stdout } = await execute(program, [...where, "-Fc", database], {
    encoding: "buffer",
    maxBuffer: 1 << 28,
  });
  return stdout;
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
    assert.deepEqual([check["damage"], check["hasRows"]], [null, false]);
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
  await writeFile(at("piped"), await pipedDump("shop"));
  await importAndCompare(at("piped"), "piped");
});

/** Looks at a dump without running it: whether it is whole, or the code of the refusal. */
async function judge(path: string): Promise<string> {
  const { signal } = new AbortController();
  try {
    const { damage } = await (await openDump(path, { signal })).survey({ signal, deep: true });
    return damage === null ? "whole" : damage.kind;
  } catch (error) {
    return error instanceof DbctlError ? error.code : `no DbctlError: ${String(error)}`;
  }
}

test("an archive that is cut anywhere, or lacks a file, is never taken for a whole one", async () => {
  await psql(server, "postgres", "create database small");
  const rows = "select n, repeat('x', n) as t from generate_series(1, 500) n";
  await psql(server, "small", `create table t as ${rows}; create table u as select 1 as a`);
  for (const format of ["c", "t", "d"])
    await dump("small", `-F${format}`, "-f", at(`small-${format}`));
  for (const file of ["small-c", "small-t", "small-d/toc.dat"]) {
    const bytes = await readFile(at(file));
    const path = file === "small-d/toc.dat" ? at("small-d") : at("cut");
    // A tar file ends in two blocks of zeros, and pg_dump adds no more.
    for (let n = 1; n < 60; n++) {
      const length = Math.floor((bytes.length * n) / 60);
      await writeFile(path === at("cut") ? path : at(file), bytes.subarray(0, length));
      const verdict = await judge(path);
      assert.match(
        verdict,
        /^(?:truncated|damaged|dump-damaged|dump-refused)$/,
        `${file}: ${length}`,
      );
    }
    await writeFile(path === at("cut") ? path : at(file), bytes);
    assert.equal(await judge(path), "whole", file);
  }
  const parts = (await readdir(at("small-d"))).filter((name) => name.endsWith(".gz"));
  assert.equal(parts.length, 2);
  for (const part of parts) {
    const bytes = await readFile(at(`small-d/${part}`));
    await writeFile(at(`small-d/${part}`), bytes.subarray(0, bytes.length - 9));
    assert.equal(await judge(at("small-d")), "truncated");
    await rm(at(`small-d/${part}`));
    assert.equal(await judge(at("small-d")), "damaged");
    await symlink(at("small-c"), at(`small-d/${part}`));
    assert.equal(await judge(at("small-d")), "damaged");
    await rm(at(`small-d/${part}`));
    await writeFile(at(`small-d/${part}`), bytes);
  }
  assert.equal(await judge(at("small-d")), "whole");
});

test("an archive with large objects is refused, and nothing is created", async () => {
  await psql(server, "postgres", "create database blobs");
  await psql(server, "blobs", "select lo_from_bytea(0, 'x'); create table t (a int)");
  await dump("blobs", "-Fc", "-f", at("blobs"));
  await writeFile(at("piped-blobs"), await pipedDump("blobs"));
  const flags = ["--create", "--allow-superuser", "--json"];
  for (const file of ["blobs", "piped-blobs"]) {
    const refused = await dbctl.run("import", at(file), "--to", server.url("no_blobs"), ...flags);
    assert.equal(refused.document.error.code, "dump-refused");
    assert.match(refused.document.error.message, /entry \d+ holds large objects/);
  }
  const found = "select count(*) from pg_database where datname = 'no_blobs'";
  assert.equal(await psql(server, "postgres", found), "0");
});
