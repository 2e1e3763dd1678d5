import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readdir, truncate } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { psql } from "./fixtures/psql.ts";
import { type PostgresServer, startPostgres } from "./fixtures/postgres-server.ts";
import { type DbctlScratch, finish, makeDbctlScratch, type Run } from "./fixtures/run-dbctl.ts";

const resources = new AsyncDisposableStack();
let server: PostgresServer;
let dbctl: DbctlScratch;

before(async () => {
  server = resources.use(await startPostgres(15));
  dbctl = resources.use(await makeDbctlScratch());
  await psql(server, "postgres", "create role keeper login");
  await psql(server, "postgres", "create database source owner keeper");
  await psql(server, "source", "set role keeper; create schema s; create table s.t as select 1 n");
});
after(() => resources.disposeAsync());

const launcher = fileURLToPath(new URL("../cli/dbctl", import.meta.url));
const inShell = (script: string): Promise<Run> =>
  finish(
    spawn("bash", ["-c", `set -o pipefail; ${script}`, launcher, dbctl.repo], {
      env: { ...process.env, DBCTL_STATE_DIR: dbctl.stateDir },
    }),
  );

test("the owner of a database can back it up without being superuser", async () => {
  const url = server.url("source").replace("postgres@", "keeper@");
  const { state, tables } = await dbctl.ok("backup", url, "--repo", dbctl.repo);
  assert.deepEqual({ state, tables }, { state: "complete", tables: 1 });
});

test("a result that cannot be written is an error", async () => {
  const { code, stderr } = await inShell('"$0" backups ls --repo "$1" --json > /dev/full');
  assert.equal(code, 74);
  assert.match(stderr, /^dbctl: Cannot write the result to stdout: .*\n {2}→ /);
});

test("a reader that does not wait for the end is no error", async () => {
  for (const command of ["backups ls", "--help #"]) {
    const { code, stderr } = await inShell(`{ sleep 0.2; "$0" ${command} --repo "$1"\n} | true`);
    assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
  }
});

test("a backup that is damaged does not hide the others in the list", async () => {
  const url = server.url("source");
  const { backup } = await dbctl.ok("backup", url, "--repo", dbctl.repo);
  const files = await readdir(dbctl.repoFolder, { recursive: true });
  const path = files.find((file) => file.includes(backup) && file.endsWith("manifest"));
  await truncate(join(dbctl.repoFolder, path ?? ""), 10);
  const listed = await dbctl.run("backups", "ls", "--repo", dbctl.repo, "--json");
  assert.equal(listed.code, 65);
  assert.equal((listed.document["backups"] as unknown[]).length, 1);
  assert.equal(listed.document.error.code, "repository-damaged");
  const text = await dbctl.run("backups", "ls", "--repo", dbctl.repo);
  assert.match(text.stdout, /^BACKUP .*\n.*source.*\n$/);
  assert.match(text.stderr, /^dbctl: Cannot .*\n {2}→ /);
});
