import assert from "node:assert/strict";
import { cp, readdir, readFile, rename, rm, stat, truncate, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { after, before, test } from "node:test";
import { psql } from "../fixtures/psql.ts";
import { type PostgresServer, startPostgres } from "../fixtures/postgres-server.ts";
import { type DbctlScratch, makeDbctlScratch } from "../fixtures/run-dbctl.ts";

const resources = new AsyncDisposableStack();
let server: PostgresServer;
let dbctl: DbctlScratch;
/** Every object that the newest backup needs, as a path below the repository. */
let objects: string[];

before(async () => {
  server = resources.use(await startPostgres(15));
  dbctl = resources.use(await makeDbctlScratch());
  await psql(server, "postgres", "create database source");
  await psql(
    server,
    "source",
    `create table t (id int primary key, body text);
     insert into t select n, repeat(md5(n::text), 20) from generate_series(1, 20000) n`,
  );
  await dbctl.ok("backup", server.url("source"), "--repo", dbctl.repo);
  const entries = await readdir(dbctl.repoFolder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  objects = files.map((file) => relative(dbctl.repoFolder, join(file.parentPath, file.name)));
});
after(() => resources.disposeAsync());

/** Ways to spoil a file. `at` is a share of its length. */
const spoilers: Record<string, (path: string) => Promise<void>> = {
  "flipped at its beginning": (path) => flip(path, 0.02),
  "flipped in its middle": (path) => flip(path, 0.5),
  "flipped at its end": (path) => flip(path, 1),
  truncated: async (path) => await truncate(path, Math.floor((await stat(path)).size / 2)),
  missing: async (path) => await rm(path),
};

for (const [how, spoil] of Object.entries(spoilers)) {
  test(`an object that is ${how} is named by verify and refused by restore`, async () => {
    for (const object of objects) {
      const path = join(dbctl.repoFolder, object);
      const good = await readFile(path);
      await spoil(path);
      await assertRefused(object);
      await writeFile(path, good);
    }
    await dbctl.ok("verify", "latest", "--repo", dbctl.repo, "--identity", dbctl.identity);
  });
}

test("an object of another backup in the place of this one's is named and refused", async () => {
  const kept = `${dbctl.repoFolder}-kept`;
  await cp(dbctl.repoFolder, kept, { recursive: true });
  await psql(server, "source", "update t set body = md5(body)");
  const backup = ["backup", server.url("source"), "--repo", dbctl.repo, "--fresh-epoch"];
  const { backup: id } = await dbctl.ok(...backup);
  const entries = await readdir(dbctl.repoFolder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const all = files.map((file) => relative(dbctl.repoFolder, join(file.parentPath, file.name)));
  const fresh = all.filter((path) => !objects.includes(path));
  assert.ok(fresh.length >= 4, `new objects: ${fresh.join(", ")}`);
  for (const mine of fresh) {
    const kind = (path: string) =>
      path.split("/").slice(1, 2)[0] + (path.split("/").at(-1) ?? "").slice(0, 3);
    const other = objects.find((path) => kind(path).slice(0, 5) === kind(mine).slice(0, 5));
    if (other === undefined) continue;
    const path = join(dbctl.repoFolder, mine);
    const good = await readFile(path);
    await writeFile(path, await readFile(join(dbctl.repoFolder, other)));
    await assertRefused(mine, id);
    await writeFile(path, good);
  }
  await rm(dbctl.repoFolder, { recursive: true });
  await rename(kept, dbctl.repoFolder);
});

test("verify tells how many of the backups are damaged", async () => {
  const dbctlOf = async (...more: string[]) =>
    await dbctl.run("verify", "--all", "--repo", dbctl.repo, "--depth", "quick", ...more);
  const { backup: newest } = await dbctl.ok("backup", server.url("source"), "--repo", dbctl.repo);
  const entries = await readdir(dbctl.repoFolder, { recursive: true });
  const map = entries.find((path) => path.endsWith(`${newest}/map-0`)) ?? "";
  await truncate(join(dbctl.repoFolder, map), 1);
  assert.match((await dbctlOf()).stdout, /^1 of 2 backups are damaged/);
  const { document, code } = await dbctlOf("--json");
  assert.match(document.error.message, /^Cannot trust 1 of 2 backups: /);
  assert.equal(code, 65);
});

async function flip(path: string, share: number): Promise<void> {
  const bytes = await readFile(path);
  const at = Math.min(Math.floor(bytes.length * share), bytes.length - 1);
  bytes[at] = (bytes[at] ?? 0) ^ 0x10;
  await writeFile(path, bytes);
}

async function assertRefused(object: string, id = "latest"): Promise<void> {
  const key = ["--repo", dbctl.repo, "--identity", dbctl.identity];
  const verified = await dbctl.run("verify", id, ...key, "--json");
  assert.ok([65, 66, 76].includes(verified.code), `verify: exit ${verified.code}: ${object}`);
  assert.match(verified.stdout + verified.stderr, new RegExp(nameOf(object)), object);
  const target = ["--to", server.url("copy"), "--create"];
  const restored = await dbctl.run("restore", id, ...key, ...target, "--json");
  assert.ok([65, 66, 76].includes(restored.code), `restore: exit ${restored.code}: ${object}`);
  assert.match(restored.stdout + restored.stderr, new RegExp(nameOf(object)), object);
  const left = await psql(
    server,
    "postgres",
    "select count(*) from pg_database where datname = 'copy'",
  );
  // What was whole and is loaded is kept, to be gone on with when the object was put back.
  const isTold = /parts are loaded and kept/.test(restored.document.error.remedy);
  assert.equal(left, isTold ? "1" : "0", restored.stdout);
  await psql(server, "postgres", "drop database if exists copy");
}

/** A missing repository.json or manifest is found by its absence: the repository or backup is not there. */
function nameOf(object: string): string {
  if (object === "repository.json") return "repository";
  if (object.endsWith("/manifest")) return "manifest|backup";
  return object;
}
