import assert from "node:assert/strict";
import { glob } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { startPostgres } from "../fixtures/postgres-server.ts";
import { psql } from "../fixtures/psql.ts";
import { type DbctlScratch, finish, makeDbctlScratch } from "../fixtures/run-dbctl.ts";

/** About 85 MB that cannot be compressed, and no two chunks are alike. */
const data = `
  create table events (id int primary key, body bytea);
  insert into events
    select n, sha512(n::text::bytea) || sha512((-n)::text::bytea) from generate_series(1, 600000) n`;

/** Packs that the store has confirmed when the backup is killed; each holds 16 MiB. */
const confirmed = [1, 2];

test("a backup that is killed and run again stores only what the store has not confirmed", async (t) => {
  await using server = await startPostgres(15);
  await using dbctl = await makeDbctlScratch();
  await psql(server, "postgres", "create database source");
  await psql(server, "source", data);
  const backup = ["backup", server.url("source"), "--repo", dbctl.repo, "--jobs", "2"];
  let known = 0;
  for (const packs of confirmed) {
    await killAfterPacks(dbctl, { backup, packs });
    const now = await readKnown(dbctl);
    assert.ok(now.bytes > known, "the run before it stored nothing");
    known = now.bytes;
  }
  const { bytes } = await dbctl.ok(...backup);
  t.diagnostic(`${known} of ${bytes.read} bytes were stored before, ${bytes.new} now`);
  assert.equal(bytes.new, bytes.read - known);
  assert.ok(known > bytes.read / 4 && bytes.new > 0);
  assert.equal((await readKnown(dbctl)).bytes, bytes.read);
  await dbctl.ok("verify", "latest", "--repo", dbctl.repo, "--identity", dbctl.identity);
});

async function killAfterPacks(
  dbctl: DbctlScratch,
  { backup, packs }: { backup: string[]; packs: number },
): Promise<void> {
  const before = (await readKnown(dbctl)).packs;
  const child = dbctl.start(...backup);
  const ended = finish(child);
  while ((await readKnown(dbctl)).packs < before + packs) {
    assert.equal(child.exitCode, null, "the backup came to its end");
    await sleep(5);
  }
  child.kill("SIGKILL");
  await ended;
}

/** What the chunk index of the host says is in the store. */
async function readKnown({ stateDir }: DbctlScratch): Promise<{ packs: number; bytes: number }> {
  for await (const path of glob("**/*.sqlite", { cwd: stateDir })) {
    using index = new DatabaseSync(join(stateDir, path), { readOnly: true });
    const sql = `select (select count(*) from packs) as packs,
      (select coalesce(sum(bytes), 0) from chunks) as bytes`;
    try {
      const row = index.prepare(sql).get();
      return { packs: Number(row?.["packs"]), bytes: Number(row?.["bytes"]) };
    } catch {
      // It was just created and has no tables yet.
    }
  }
  return { packs: 0, bytes: 0 };
}
