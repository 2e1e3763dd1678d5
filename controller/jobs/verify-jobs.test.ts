import assert from "node:assert/strict";
import { test } from "node:test";
import { findConditions } from "../alerts/find-conditions.ts";
import { requireBackup } from "../catalog/read-backups.ts";
import { readDatabase } from "../catalog/read-databases.ts";
import { recoverability } from "../recoverability/recoverability.ts";
import { claimNextJob } from "./claim-next-job.ts";
import { enqueueBackups } from "./enqueue-backups.ts";
import { enqueueVerify } from "./enqueue-restore.ts";
import { backedUp, openScratchFleet } from "./scratch-fleet.ts";
import type { EventInit, ScratchFleet } from "./scratch-fleet.ts";

interface Answer {
  depth?: string;
  bytes?: bigint;
  damages?: string[];
}

async function run(fleet: ScratchFleet, event: EventInit) {
  const job = await claimNextJob(fleet.db, { host: "db1" }, fleet.now());
  assert.ok(job !== undefined);
  fleet.pass(10);
  await fleet.say(job, event);
  return job;
}

async function openBackedUp(): Promise<ScratchFleet> {
  const fleet = await openScratchFleet();
  const request = { allowMissing: false, freshEpoch: false, requestedBy: "ann" };
  await enqueueBackups(fleet.db, { ...request, selection: { case: "all" } }, fleet.now());
  await run(fleet, backedUp("b1"));
  return fleet;
}

/** Has the backup looked at as closely as is said; the agent answers. */
async function verify(fleet: ScratchFleet, depth: string, answer: Answer = {}) {
  const request = { backupId: "b1", host: "", epochKey: undefined, requestedBy: "ann", depth };
  await enqueueVerify(fleet.db, request, fleet.now());
  const value = { backupId: "b1", depth, ...answer };
  return await run(fleet, { case: "succeeded", value: { kind: { case: "verify", value } } });
}

async function levelOf(fleet: ScratchFleet): Promise<string> {
  const database = await readDatabase(fleet.db, "db1/shop");
  assert.ok(database !== undefined);
  return recoverability(database.coverage, fleet.now()).level;
}

async function alertsOf({ db, now }: ScratchFleet): Promise<string[]> {
  const kinds = (await findConditions(db, now())).map(({ kind }) => kind);
  return kinds.filter((kind) => kind === "verify_failed");
}

test("what a look found is kept with its depth, its bytes and the controller's time", async () => {
  await using fleet = await openBackedUp();
  const dispatched = fleet.now();
  await verify(fleet, "sample=5%", { bytes: 7n });
  const { checkedAt, checkedDepth, checkedBytes, verifiedAt } = await requireBackup(fleet.db, "b1");
  assert.deepEqual([checkedDepth, checkedBytes, verifiedAt], ["sample=5%", 7n, undefined]);
  assert.equal(Number(checkedAt?.seconds) * 1000, +dispatched);
  assert.equal(await levelOf(fleet), "stored");
  await verify(fleet, "full");
  assert.equal(await levelOf(fleet), "verified");
});

test("a damaged backup is not recoverable from, until a close enough look finds it whole", async () => {
  await using fleet = await openBackedUp();
  await verify(fleet, "full", { damages: ["packs/x: flipped"] });
  assert.equal(await levelOf(fleet), "none");
  assert.equal((await fleet.events()).at(-1), "verification_failed");
  assert.deepEqual(await alertsOf(fleet), ["verify_failed"]);
  await verify(fleet, "quick");
  const { damaged, damages, checkedDepth } = await requireBackup(fleet.db, "b1");
  assert.deepEqual([damaged, damages, checkedDepth], [true, ["packs/x: flipped"], "quick"]);
  assert.equal(await levelOf(fleet), "none");
  await verify(fleet, "full");
  assert.equal(await levelOf(fleet), "verified");
  assert.deepEqual(await alertsOf(fleet), []);
});

test("an agent that knows no depths has looked at everything; one that looked otherwise failed", async () => {
  await using fleet = await openBackedUp();
  await verify(fleet, "quick", { depth: "" });
  assert.equal((await requireBackup(fleet.db, "b1")).checkedDepth, "full");
  const job = await verify(fleet, "full", { depth: "quick" });
  assert.equal(await fleet.state(job), "failed");
  assert.equal((await requireBackup(fleet.db, "b1")).checkedDepth, "full");
});

test("a host cannot fill the catalog with damages", async () => {
  await using fleet = await openBackedUp();
  await verify(fleet, "full", { damages: Array.from({ length: 5000 }, () => "x".repeat(5000)) });
  const { damages } = await requireBackup(fleet.db, "b1");
  assert.deepEqual([damages.length, damages[0]?.length], [100, 500]);
});

test("enqueueVerify() refuses a depth that there is not, and gives a sample its seed", async () => {
  await using fleet = await openBackedUp();
  const request = { backupId: "b1", host: "", epochKey: undefined, requestedBy: "ann" };
  const ask = (how: { depth?: string; seed?: string }) =>
    Promise.resolve().then(() => enqueueVerify(fleet.db, { ...request, ...how }, fleet.now()));
  await assert.rejects(ask({ depth: "deep" }), { code: "usage", remedy: /quick/ });
  const specOf = async (how: { depth?: string; seed?: string }) => {
    const { spec } = await ask(how);
    assert.ok(spec.kind.case === "verify");
    return [spec.kind.value.depth, spec.kind.value.seed];
  };
  assert.deepEqual(await specOf({}), ["full", ""]);
  assert.deepEqual(await specOf({ depth: "sample=5", seed: "a" }), ["sample=5%", "a"]);
  const [depth, seed] = await specOf({ depth: "sample=0.5%" });
  assert.ok(depth === "sample=0.5%" && seed !== "");
});
