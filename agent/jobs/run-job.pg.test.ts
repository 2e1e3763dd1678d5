import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { psql } from "../../integration/fixtures/psql.ts";
import { startPostgres } from "../../integration/fixtures/postgres-server.ts";
import { makeDbctlScratch } from "../../integration/fixtures/run-dbctl.ts";
import { JobSpecSchema } from "../../proto/gen/dbctl/v1/jobs_pb.ts";
import { openStore, databaseOf, parseServer, resolvePassword } from "../adapters.ts";
import { accessDatabase } from "../database-access.ts";
import { sealGrant } from "../grants/epoch-grant.ts";
import { generateIdentity, readIdentityFile } from "../repository/identity.ts";
import { findBackup } from "../repository/list-backups.ts";
import { readEpochFile } from "../repository/open-backup.ts";
import { type JobParts, runJob } from "./run-job.ts";

const { signal } = new AbortController();

interface Shown {
  tables: { name: string; rows: number; bytes: number }[];
  objects: unknown[];
}

test("runJob() on PostgreSQL makes direct mode's backup, and restores it", async () => {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await startPostgres(15));
  const scratch = stack.use(await makeDbctlScratch());
  await psql(server, "postgres", "create database shop");
  await psql(
    server,
    "shop",
    `create table orders (id int primary key, note text);
     insert into orders select n, repeat('x', n % 100) from generate_series(1, 5000) n`,
  );
  const agent = await generateIdentity();
  const target = parseServer(server.url(""));
  const parts: JobParts = {
    openDatabase: async (_, database) => {
      const of = databaseOf(target, database);
      return accessDatabase(of, await resolvePassword(of, {}));
    },
    openStore,
    identity: agent.identity,
    stateDir: scratch.stateDir,
    now: () => new Date(),
    tool: "test",
  };
  const run = async (spec: Parameters<typeof create<typeof JobSpecSchema>>[1]) => {
    const updates = runJob(create(JobSpecSchema, spec), parts, { signal });
    const last = (await Array.fromAsync(updates)).at(-1);
    return last?.kind === "finished" ? last.result.kind : undefined;
  };
  const { repo, identity } = scratch;
  const direct = await scratch.ok("backup", server.url("shop"), "--repo", repo);
  const backup = { database: "shop", instance: "main", repositoryUrl: repo, jobs: 2 };
  const result = await run({ kind: { case: "backup", value: backup } });
  assert.ok(result?.case === "backup");
  const { backupId = "", rows, bytesNew } = result.value;
  assert.deepEqual([rows, bytesNew], [5000n, 0n]);
  const show = async (id: string) => {
    const shown = await scratch.ok("backups", "show", id, "--repo", repo, "--identity", identity);
    const { tables, objects } = shown as unknown as Shown;
    return { tables, objects };
  };
  assert.deepEqual(await show(backupId), await show(direct.backup));

  const store = await openStore(repo);
  const header = await findBackup(store, backupId, { signal });
  const operator = await readIdentityFile(identity);
  const file = await readEpochFile(store, header, { identity: operator, signal });
  const { recipient } = agent;
  const epochKey = await sealGrant(file, { backup: backupId, recipient, now: new Date() });
  const value = { backupId, repositoryUrl: repo, instance: "main", database: "copy" };
  const restored = await run({
    kind: { case: "restore", value: { ...value, create: true, epochKey } },
  });
  assert.ok(restored?.case === "restore");
  const sum = "select count(*), md5(string_agg(o::text, ',' order by id)) from orders o";
  assert.equal(await psql(server, "copy", sum), await psql(server, "shop", sum));
});
