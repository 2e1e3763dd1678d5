import assert from "node:assert/strict";
import { test } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { JobSpecSchema } from "../../proto/gen/dbctl/v1/jobs_pb.ts";
import { createMemoryDatabase, createMemoryEngine } from "../engines/memory/engine.ts";
import { type MemoryScratch, makeMemoryScratch } from "../backup/memory-scratch.ts";
import { parseBackupBody } from "../backup/backup-body.ts";
import { sealGrant } from "../grants/epoch-grant.ts";
import { DataLane } from "../lanes/data-lane.ts";
import { generateIdentity } from "../repository/identity.ts";
import { openBackup, readEpochFile } from "../repository/open-backup.ts";
import { openRepository } from "../repository/open-repository.ts";
import type { JobUpdate } from "./job-update.ts";
import { type JobParts, runJob } from "./run-job.ts";
import { brokenDisk, createFaultyStore } from "../../integration/fixtures/faulty-store.ts";
import { makeScratchFolder } from "../../integration/fixtures/scratch-folder.ts";

const { signal } = new AbortController();
type Kind = MessageInitShape<typeof JobSpecSchema>["kind"];

/** An agent on a memory server, with the scratch's repository. */
async function scratchAgent() {
  const scratch = await makeMemoryScratch();
  const folder = await makeScratchFolder("agent-state");
  const { server } = scratch;
  const faults: { next?: () => void } = {};
  const store = createFaultyStore(scratch.store, () => faults.next?.());
  const { identity, recipient } = await generateIdentity();
  const rows = Array.from({ length: 777 }, (_, n) => `row ${n}`);
  server.databases.set("shop", createMemoryDatabase({ orders: rows, empty: [] }));
  const parts: JobParts = {
    openDatabase: async (_, database) => {
      const engine = createMemoryEngine(server, database);
      const openLane = async (use: ConstructorParameters<typeof DataLane>[0]["use"]) =>
        new DataLane({ engine, store, use, signal });
      return { engine, openLane };
    },
    openStore: async () => store,
    identity,
    stateDir: folder.path,
    now: () => new Date(),
    tool: "test",
  };
  const run = async (kind: Kind) => {
    const spec = create(JobSpecSchema, kind === undefined ? {} : { kind });
    return await Array.fromAsync(runJob(spec, parts, { signal }));
  };
  const backUp = async () => {
    const value = { database: "shop", instance: "main", repositoryUrl: "memory:", jobs: 2 };
    const result = resultOf(await run({ case: "backup", value }));
    assert.ok(result?.case === "backup");
    return { ...result.value, backupId: result.value.backupId ?? "" };
  };
  const dispose = async () => {
    await folder[Symbol.asyncDispose]();
    await scratch[Symbol.asyncDispose]();
  };
  return { scratch, faults, run, backUp, recipient, [Symbol.asyncDispose]: dispose };
}

function resultOf(updates: JobUpdate[]) {
  const last = updates.at(-1);
  return last?.kind === "finished" ? last.result.kind : undefined;
}

/** As the operator's command line does it. */
async function grant(scratch: MemoryScratch, backup: string, recipient: string) {
  const { store, identity } = scratch;
  const header = (await scratch.list()).find(({ id }) => id === backup);
  assert.ok(header !== undefined);
  const file = await readEpochFile(store, header, { identity, signal });
  return await sealGrant(file, { backup, recipient, now: new Date() });
}

async function tablesOf(scratch: MemoryScratch, backup: string) {
  const { store, identity } = scratch;
  const repository = await openRepository(store, { signal });
  const header = (await scratch.list()).find(({ id }) => id === backup);
  assert.ok(header !== undefined);
  const keys = { identity };
  const opened = await openBackup({ store, repository, header, keys, signal });
  const { tables } = parseBackupBody(opened);
  return tables.map(({ data, sums }) => [data.name, sums.rows, sums.bytes]);
}

test("runJob() makes the backup that direct mode makes", async () => {
  await using agent = await scratchAgent();
  const result = await agent.backUp();
  const direct = await agent.scratch.backUp("shop");
  assert.deepEqual([result.rows, result.tables, result.state], [777n, 2, "complete"]);
  assert.equal(result.bytesRead, BigInt(direct.header.sizes.read));
  const { scratch } = agent;
  const [ours, theirs] = await Promise.all(
    [result.backupId, direct.header.id].map((id) => tablesOf(scratch, id)),
  );
  assert.deepEqual(ours, theirs);
  await scratch.restore(result.backupId, "copy");
  const rowsOf = (name: string) => scratch.server.databases.get(name)?.tables.get("orders");
  assert.deepEqual(rowsOf("copy")?.toSorted(), rowsOf("shop")?.toSorted());
});

test("runJob() restores with a key that was granted to this agent", async () => {
  await using agent = await scratchAgent();
  const { scratch, recipient } = agent;
  const { backupId } = await agent.backUp();
  const epochKey = await grant(scratch, backupId, recipient);
  const value = { backupId, repositoryUrl: "memory:", instance: "main", database: "copy" };
  const updates = await agent.run({ case: "restore", value: { ...value, create: true, epochKey } });
  const result = resultOf(updates);
  assert.ok(result?.case === "restore");
  assert.deepEqual([result.value.rows, result.value.tables], [777n, 2]);
  const { databases } = scratch.server;
  assert.deepEqual(
    databases.get("copy")?.tables.get("orders")?.toSorted(),
    databases.get("shop")?.tables.get("orders")?.toSorted(),
  );
  const phases = updates.flatMap((one) => (one.kind === "progress" ? [one.progress.phase] : []));
  assert.ok(phases.includes("loading") && phases.includes("comparing"), phases.join(", "));
});

test("runJob() goes on where the same restore was cut short", async () => {
  await using agent = await scratchAgent();
  const { scratch, recipient, faults } = agent;
  const { backupId } = await agent.backUp();
  const epochKey = await grant(scratch, backupId, recipient);
  const value = { backupId, repositoryUrl: "memory:", instance: "main", database: "copy" };
  const restore = () =>
    agent.run({ case: "restore", value: { ...value, create: true, jobs: 1, epochKey } });
  let calls = 0;
  faults.next = () => void calls++;
  const totals = (updates: JobUpdate[]) =>
    updates.flatMap((one) =>
      one.kind === "progress" && one.progress.phase === "loading" ? [one.progress.bytesTotal] : [],
    );
  const [whole = 0n] = totals(await restore());
  scratch.server.databases.delete("copy");
  // The last call of the store is for the last part.
  faults.next = () => {
    if (--calls === 0) throw brokenDisk("it");
  };
  await assert.rejects(restore(), {
    remedy: /At least 7 of 8 parts are loaded and kept: .* restore the same backup into it again/,
  });
  const again = await restore();
  assert.equal(resultOf(again)?.case, "restore");
  const [rest = 0n] = totals(again);
  assert.ok(rest > 0n && rest < whole / 4n, `${rest} of ${whole}`);
});

test("runJob() does not restore with a key that was granted to another agent", async () => {
  await using agent = await scratchAgent();
  const { backupId } = await agent.backUp();
  const { recipient } = await generateIdentity();
  const epochKey = await grant(agent.scratch, backupId, recipient);
  const value = { backupId, repositoryUrl: "memory:", instance: "main", database: "copy" };
  const running = agent.run({ case: "restore", value: { ...value, create: true, epochKey } });
  await assert.rejects(running, { code: "identity-wrong" });
  const without = agent.run({ case: "restore", value: { ...value, create: true } });
  await assert.rejects(without, { code: "protocol-violated" });
  assert.ok(!agent.scratch.server.databases.has("copy"));
});

test("runJob() verifies: a whole backup, and one with a flipped byte", async () => {
  await using agent = await scratchAgent();
  const { scratch, recipient } = agent;
  const { backupId } = await agent.backUp();
  const epochKey = await grant(scratch, backupId, recipient);
  const verify = async (how: { depth?: string; seed?: string } = {}) => {
    const key = how.depth === "quick" ? {} : { epochKey };
    const value = { backupId, repositoryUrl: "memory:", ...key, ...how };
    const result = resultOf(await agent.run({ case: "verify", value }));
    assert.ok(result?.case === "verify");
    return result.value;
  };
  const whole = await verify();
  assert.deepEqual([whole.damages, whole.depth, whole.restorable], [[], "full", "whole"]);
  assert.ok((whole.chunks ?? 0n) > 0n);
  const sample = await verify({ depth: "sample=1%", seed: "a" });
  assert.deepEqual([sample.depth, sample.damages], ["sample=1%", []]);
  assert.ok((sample.chunks ?? 0n) <= (whole.chunks ?? 0n));
  const keys = await Array.fromAsync(scratch.store.list("", { signal }), ({ key }) => key);
  const pack = keys.find((key) => key.includes("/packs/"));
  assert.ok(pack !== undefined);
  const bytes = Buffer.concat(await Array.fromAsync(scratch.store.get(pack, { signal })));
  bytes[40] = (bytes[40] ?? 0) ^ 1;
  await scratch.store.delete(pack, { signal });
  await scratch.store.put(pack, [bytes], { signal });
  const flipped = await verify();
  assert.ok((flipped.damages ?? []).length > 0);
  assert.ok((flipped.damagedTables ?? []).length > 0);
  assert.deepEqual((await verify({ depth: "quick" })).damages, []);
  await scratch.store.delete(pack, { signal });
  assert.match((await verify({ depth: "quick" })).damages?.[0] ?? "", /packs/);
  const manifest = keys.find((key) => key.endsWith("/manifest")) ?? "";
  await scratch.store.delete(manifest, { signal });
  const gone = await verify();
  assert.match(gone.damages?.[0] ?? "", /^manifest: Cannot find backup/);
  assert.equal(gone.restorable, "no");
});

test("runJob() refuses a command of a kind it does not know", async () => {
  await using agent = await scratchAgent();
  await assert.rejects(agent.run(undefined), { code: "protocol-violated" });
});
