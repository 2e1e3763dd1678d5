import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { CallContext } from "../../core/grpc/peer.ts";
import {
  DecideDeletionsRequestSchema,
  PreviewRetentionRequestSchema,
  ReportBackupsRequestSchema,
} from "../../proto/gen/dbctl/v1/retention_pb.ts";
import type { FoundBackupSchema, RetentionGroup } from "../../proto/gen/dbctl/v1/retention_pb.ts";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { createRetentionService } from "../api/retention-service.ts";
import { requireBackup } from "../catalog/read-backups.ts";
import { readDatabase } from "../catalog/read-databases.ts";
import { recordBackup } from "../catalog/record-backup.ts";
import { enqueueBackups } from "../jobs/enqueue-backups.ts";
import { enqueueRestore } from "../jobs/enqueue-restore.ts";
import { goldPolicy, openScratchFleet } from "../jobs/scratch-fleet.ts";
import type { ScratchFleet } from "../jobs/scratch-fleet.ts";
import { applyPolicies } from "../policies/apply-policies.ts";
import { BackupResultSchema } from "../../proto/gen/dbctl/v1/jobs_pb.ts";

const day = 86_400;
const identity = { kind: "user", name: "ann", role: "operator", serial: "1" } as const;
const context: CallContext = {
  signal: AbortSignal.timeout(60_000),
  peer: { address: "10.0.0.1:5", identity },
};
const keepTwo = `${goldPolicy}  retention: { keep_last: 2 }\n`;

interface Made {
  id: string;
  database?: string;
  instanceId?: string;
  repositoryUrl?: string;
  state?: string;
}

/** A fleet whose policy keeps two, and a backup a day of each that is named. */
async function openHistory(made: Made[], policies = keepTwo) {
  const fleet = await openScratchFleet(["db1", "db2"], { policies });
  const selection = { case: "names", names: ["db1/shop"] } as const;
  const request = { selection, allowMissing: false, freshEpoch: false, requestedBy: "ann" };
  const [job] = await enqueueBackups(fleet.db, request, fleet.now());
  assert.ok(job !== undefined);
  for (const { id, state = "complete", ...about } of made) {
    const { database = "db1/shop", repositoryUrl = "/backups/gold" } = about;
    const { instanceId = `id-of-${database.split("/")[0]}` } = about;
    const result = create(BackupResultSchema, { backupId: id, state, instanceId });
    const place = { database, repositoryUrl, jobId: job.job.id, startedAt: fleet.now() };
    await recordBackup(fleet.db, { ...place, result }, fleet.now());
    fleet.pass(day);
  }
  return { fleet, service: createRetentionService(fleet) };
}

type Service = Awaited<ReturnType<typeof openHistory>>["service"];

async function preview(service: Service, request: { database?: string; rule?: string } = {}) {
  const message = create(PreviewRetentionRequestSchema, request);
  const parts = await Array.fromAsync(service.previewRetention(message, context));
  return parts.flatMap(({ groups = [] }) => groups as RetentionGroup[]);
}

function goingOf(groups: readonly Pick<RetentionGroup, "decisions">[]): string[] {
  return groups.flatMap(({ decisions }) =>
    decisions.filter(({ kept }) => !kept).map(({ backupId }) => backupId),
  );
}

const report = (service: Service, ...backups: MessageInitShape<typeof FoundBackupSchema>[]) =>
  service.reportBackups(
    create(ReportBackupsRequestSchema, { repositoryUrl: "/backups/gold", backups }),
    context,
  );

const ids = (count: number) => Array.from({ length: count }, (_, n) => ({ id: `b${n + 1}` }));

async function newest(fleet: ScratchFleet): Promise<string | undefined> {
  const database = await readDatabase(fleet.db, "db1/shop");
  return database?.coverage.copies?.[0]?.newest?.backup;
}

test("the controller decides by its own clock, and says why it keeps what stays", async () => {
  const { fleet, service } = await openHistory(ids(4));
  await using _ = fleet;
  const [group, ...others] = await preview(service);
  assert.ok(group !== undefined);
  assert.equal(others.length, 0);
  assert.deepEqual(
    [group.database, group.policy, group.rules],
    ["db1/shop", "gold", ["keep-last=2"]],
  );
  assert.deepEqual(goingOf([group]), ["b1", "b2"]);
  assert.equal(group.dailyLimit, 1);
  assert.deepEqual(group.decisions[3]?.reasons, ["newest 1 of 2", "newest good backup"]);
  assert.deepEqual(goingOf(await preview(service, { rule: "keep-last=3" })), ["b1"]);
  await assert.rejects(preview(service, { rule: "keep-lost=3" }), { code: "usage" });
  await assert.rejects(preview(service, { database: "db1/shp" }), { code: "database-unknown" });
});

test("a preview of a file of policies judges by them, and tells its faults", async () => {
  const { fleet, service } = await openHistory(ids(4));
  await using _ = fleet;
  const ask = (yaml: string) =>
    Array.fromAsync(
      service.previewRetention(create(PreviewRetentionRequestSchema, { yaml }), context),
    );
  const [, part] = await ask(`${goldPolicy}  retention: { keep_last: 1 }\n`);
  assert.deepEqual(goingOf((part?.groups ?? []) as RetentionGroup[]), ["b1", "b2", "b3"]);
  const [first, ...others] = await ask("- name: gold");
  assert.ok((first?.faults ?? []).length > 0);
  assert.deepEqual(others, []);
});

test("copies in two repositories are judged on their own", async () => {
  const far = "/backups/far";
  const { fleet, service } = await openHistory([
    ...ids(3),
    { id: "c1", repositoryUrl: far },
    { id: "c2", repositoryUrl: far },
  ]);
  await using _ = fleet;
  assert.deepEqual(goingOf(await preview(service)), ["b1"]);
  const decide = async (repositoryUrl: string) =>
    await Array.fromAsync(
      service.decideDeletions(create(DecideDeletionsRequestSchema, { repositoryUrl }), context),
    );
  const going = async (repositoryUrl: string) =>
    goingOf((await decide(repositoryUrl)).flatMap(({ groups = [] }) => groups as RetentionGroup[]));
  const [names, ...none] = await decide("");
  assert.deepEqual([names?.repositoryUrls, none], [[far, "/backups/gold"], []]);
  assert.deepEqual(await going("/backups/gold"), ["b1"]);
  assert.deepEqual(await going(far), []);
  await assert.rejects(decide("/elsewhere"), { code: "repository-unknown" });
});

test("what no policy selects is kept, and a server keeps its history under another host's name", async () => {
  const moved = { database: "old/shop", instanceId: "id-of-db1" };
  const { fleet, service } = await openHistory([
    { id: "m1", ...moved },
    { id: "m2", ...moved },
    { id: "m3" },
    { id: "g1", database: "gone/shop" },
    { id: "g2", database: "gone/shop" },
    { id: "g3", database: "gone/shop" },
  ]);
  await using _ = fleet;
  const groups = await preview(service);
  assert.deepEqual(goingOf(groups), ["m1"]);
  const gone = groups.find(({ database }) => database === "gone/shop");
  assert.deepEqual(gone?.decisions[0]?.reasons, ["no policy selects it"]);
  assert.deepEqual(goingOf(await preview(service, { database: "db1/shop" })), ["m1"]);
  await applyPolicies(fleet.db, { yaml: "[]", dryRun: false, actor: "ann" }, fleet.now());
  assert.deepEqual(goingOf(await preview(service)), []);
});

test("what two policies keep of a server that is seen twice is what any of them keeps", async () => {
  const silver = keepTwo.replaceAll("gold", "silver").replace("keep_last: 2", "keep_last: 3");
  const { fleet, service } = await openHistory(
    [...ids(4), { id: "b5", database: "db2/shop", instanceId: "id-of-db1" }],
    keepTwo.replace("engine=postgres", "host=db1") + silver.replace("engine=postgres", "host=db2"),
  );
  await using _ = fleet;
  const [group] = await preview(service);
  assert.deepEqual([group?.policy, goingOf(group ? [group] : [])], ["gold, silver", ["b1", "b2"]]);
});

test("reportBackups() takes over deletions, and what is deleted is not recoverable from", async () => {
  const { fleet, service } = await openHistory(ids(3));
  await using _ = fleet;
  assert.equal(await newest(fleet), "b3");
  const undeleteUntil = timestampFromDate(new Date("2026-02-01"));
  const deleted = { case: "deleted", value: { undeleteUntil } } as const;
  const there = { case: "there", value: {} } as const;
  const told = await report(
    service,
    { backupId: "b3", state: deleted },
    { backupId: "x", state: there },
  );
  assert.equal(told.changed, 1);
  assert.equal((await report(service, { backupId: "b3", state: deleted })).changed, 0);
  assert.equal((await fleet.events()).at(-1), "backups_deleted");
  assert.equal(await newest(fleet), "b2");
  const shown = await requireBackup(fleet.db, "b3");
  assert.deepEqual([shown.undeleteUntil, shown.removedAt], [undeleteUntil, undefined]);
  assert.deepEqual(goingOf(await preview(service)), []);
  // It was undeleted and is held.
  await report(service, { backupId: "b3", state: there, hold: "case 7", tags: ["v1"] });
  assert.equal(await newest(fleet), "b3");
  assert.match((await preview(service))[0]?.decisions[2]?.reasons.join() ?? "", /held: case 7/);
});

test("reportBackups(): removed is for ever, and cannot be restored", async () => {
  const { fleet, service } = await openHistory(ids(2));
  await using _ = fleet;
  await report(service, { backupId: "b1", state: { case: "removed", value: {} } });
  assert.equal(
    (await report(service, { backupId: "b1", state: { case: "there", value: {} } })).changed,
    0,
  );
  assert.notEqual((await requireBackup(fleet.db, "b1")).removedAt, undefined);
  const request = { backupId: "b1", target: "db1/copy", create: true, epochKey: undefined };
  await assert.rejects(enqueueRestore(fleet.db, { ...request, requestedBy: "ann" }, fleet.now()), {
    code: "backup-unknown",
  });
});

test("reportBackups() calls a backup damaged that is missing and that nobody removed", async () => {
  const { fleet, service } = await openHistory(ids(2));
  await using _ = fleet;
  const missing = { backupId: "b2", state: { case: "missing", value: {} } } as const;
  assert.equal((await report(service, missing)).changed, 1);
  assert.equal((await report(service, missing)).changed, 0);
  assert.equal(await newest(fleet), "b1");
  const { damaged, damages, checkedDepth } = await requireBackup(fleet.db, "b2");
  assert.deepEqual([damaged, checkedDepth], [true, "quick"]);
  assert.match(damages[0] ?? "", /nobody removed it/);
});

test("a day's deletions count against the limit of the day", async () => {
  const { fleet, service } = await openHistory(
    ids(10),
    keepTwo.replace("keep_last: 2", "keep_last: 8"),
  );
  await using _ = fleet;
  const limitOf = async () => (await preview(service))[0]?.dailyLimit;
  // Two of ten may go in a day.
  assert.equal(await limitOf(), 0);
  const deleted = { case: "deleted", value: {} } as const;
  await report(service, { backupId: "b10", state: deleted });
  assert.equal(await limitOf(), 0);
  assert.deepEqual(goingOf(await preview(service)), ["b1"]);
  assert.deepEqual((await preview(service, { rule: "keep-last=7" }))[0]?.dailyLimit, 2);
  fleet.pass(day + 1);
  assert.deepEqual((await preview(service, { rule: "keep-last=8" }))[0]?.dailyLimit, 0);
});
