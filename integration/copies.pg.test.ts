import assert from "node:assert/strict";
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { psql } from "./fixtures/psql.ts";
import { type PostgresServer, startPostgres } from "./fixtures/postgres-server.ts";
import { type DbctlScratch, makeDbctlScratch } from "./fixtures/run-dbctl.ts";

const resources = new AsyncDisposableStack();
let server: PostgresServer;
let dbctl: DbctlScratch;
let copy: string;

before(async () => {
  server = resources.use(await startPostgres(15));
  dbctl = resources.use(await makeDbctlScratch());
  copy = `file://${dbctl.folder}/copy`;
  await psql(server, "postgres", "create database source");
  await psql(
    server,
    "source",
    `create table t (id int primary key, body text);
     create table u as select n from generate_series(1, 1000) n;
     insert into t select n, md5(n::text) || md5((n * 7)::text) from generate_series(1, 30000) n`,
  );
  await dbctl.ok("backup", server.url("source"), "--repo", dbctl.repo);
  await psql(server, "source", "update t set body = md5(body) where id % 1000 = 0");
  await dbctl.ok("backup", server.url("source"), "--repo", dbctl.repo);
});
after(() => resources.disposeAsync());

/** The largest pack: the rows of t. */
async function findPack(): Promise<string> {
  const entries = await readdir(dbctl.repoFolder, { recursive: true, withFileTypes: true });
  const packs = entries.filter((entry) => entry.isFile() && entry.parentPath.includes("/packs/"));
  const paths = packs.map((entry) => join(entry.parentPath, entry.name));
  const sizes = await Promise.all(paths.map(async (path) => (await readFile(path)).length));
  return paths[sizes.indexOf(Math.max(...sizes))] ?? "";
}

test("a copy is made, checked, restored from, and heals the repository", async () => {
  const key = ["--identity", dbctl.identity];
  const made = await dbctl.ok("repo", "sync", dbctl.repo, copy);
  assert.equal((made["backups"] as unknown[]).length, 2);
  const again = await dbctl.ok("repo", "sync", dbctl.repo, copy);
  assert.equal((again["copied"] as { objects: number }).objects, 0);
  const checked = await dbctl.ok("repo", "check", copy, ...key, "--depth", "full");
  assert.deepEqual(checked["findings"], []);
  const to = ["--to", server.url("copied"), "--create"];
  await dbctl.ok("restore", "latest", "--repo", copy, ...key, ...to);
  const sum = "select md5(string_agg(t::text, ',' order by id)) from t";
  assert.equal(await psql(server, "copied", sum), await psql(server, "source", sum));

  const pack = await findPack();
  const good = await readFile(pack);
  const bad = Buffer.from(good);
  bad[1000] = (bad[1000] ?? 0) ^ 1;
  await writeFile(pack, bad);
  const found = await dbctl.run("repo", "check", dbctl.repo, ...key, "--depth", "full", "--json");
  assert.equal(found.code, 65);
  const [finding] = found.document["findings"] as {
    kind: string;
    object: string;
    backups: { tables: string[] }[];
  }[];
  assert.equal(finding?.kind, "flipped");
  assert.ok(pack.endsWith(finding?.object ?? "-"));
  assert.deepEqual(finding?.backups[0]?.tables, ["public.t"]);

  const heal = ["repo", "check", dbctl.repo, ...key, "--depth", "full", "--heal-from", copy];
  const would = await dbctl.run(...heal, "--json");
  assert.equal(would.code, 65);
  assert.deepEqual(await readFile(pack), bad);
  await dbctl.ok(...heal, "--confirm");
  assert.deepEqual(await readFile(pack), good);

  const repository = join(dbctl.repoFolder, "repository.json");
  const json = await readFile(repository);
  await rm(repository);
  const quick = ["repo", "check", dbctl.repo, "--heal-from", copy];
  const lost = await dbctl.run(...quick, "--json");
  assert.ok(!(await readdir(dbctl.repoFolder)).includes("repository.json"));
  assert.equal(lost.code, 65);
  await dbctl.ok(...quick, "--confirm");
  assert.deepEqual(await readFile(repository), json);
  const nowhere = `file://${dbctl.folder}/nowhere`;
  const none = await dbctl.run(
    "repo",
    "check",
    nowhere,
    "--heal-from",
    copy,
    "--confirm",
    "--json",
  );
  assert.equal(none.code, 66);
});

test("verify reads a sample that can be repeated, all backups, or no byte", async () => {
  const key = ["--repo", dbctl.repo, "--identity", dbctl.identity];
  const full = await dbctl.ok("verify", "--all", ...key);
  assert.equal((full["backups"] as unknown[]).length, 2);
  const sample = await dbctl.ok("verify", "--all", ...key, "--depth", "sample=1%");
  const seed = String(sample["seed"]);
  const repeated = await dbctl.ok(
    "verify",
    "--all",
    ...key,
    "--depth",
    "sample=1%",
    "--seed",
    seed,
  );
  assert.deepEqual(repeated["chunks"], sample["chunks"]);
  assert.ok(Number(sample["chunks"]) >= 2 && Number(sample["chunks"]) < Number(full["chunks"]) + 1);
  const one = await dbctl.ok("verify", "latest", ...key);
  assert.ok(Number(one["chunks"]) < Number(full["chunks"]));
  await rm(dbctl.identity);
  const quick = await dbctl.ok("verify", "--all", "--repo", dbctl.repo, "--depth", "quick");
  assert.equal(quick["chunks"], 0);
});
