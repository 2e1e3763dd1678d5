import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { openHostState } from "../agent/repository/host-state.ts";
import { listBackups } from "../agent/repository/list-backups.ts";
import { openBackup } from "../agent/repository/open-backup.ts";
import { openRepository } from "../agent/repository/open-repository.ts";
import { openStore } from "../agent/adapters.ts";
import { psql } from "./fixtures/psql.ts";
import { startPostgres } from "./fixtures/postgres-server.ts";
import { makeDbctlScratch } from "./fixtures/run-dbctl.ts";

const { signal } = new AbortController();

test("the host's files open its current epoch and nothing older", async () => {
  await using server = await startPostgres(15);
  await using dbctl = await makeDbctlScratch();
  await psql(server, "postgres", "create database source");
  await psql(server, "source", "create table t as select 'marker-row' as body");
  const backup = ["backup", server.url("source"), "--repo", dbctl.repo];
  const old = await dbctl.ok(...backup);
  const current = await dbctl.ok(...backup, "--fresh-epoch");

  const store = await openStore(dbctl.repo);
  const repository = await openRepository(store, { signal });
  const instance = String(current["instance"]);
  const host = { stateDir: dbctl.stateDir, repository, instance, store, fresh: false };
  await using state = await openHostState({ ...host, now: new Date(), signal });
  const headers = await Array.fromAsync(listBackups(store, { signal }));
  const open = (id: string) => {
    const header = headers.find((one) => one.id === id);
    assert.ok(header !== undefined);
    return openBackup({ store, repository, header, keys: { epoch: state.epoch }, signal });
  };
  await open(current.backup);
  await assert.rejects(open(old.backup), /Cannot/);

  const identity = (await readFile(dbctl.identity, "utf8")).match(/AGE-SECRET-KEY-\S+/)?.[0] ?? "";
  assert.notEqual(identity, "");
  for (const file of await filesBelow(dbctl.stateDir)) {
    const bytes = await readFile(file, "latin1");
    assert.ok(!bytes.includes(identity), `${file} holds the identity`);
    assert.ok(!bytes.includes(String(old["epoch"])), `${file} knows the old epoch`);
  }
  for (const file of await filesBelow(dbctl.repoFolder))
    assert.ok(!(await readFile(file, "latin1")).includes("marker-row"), `${file} is in clear`);
});

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((one) => one.isFile()).map((one) => join(one.parentPath, one.name));
}
