import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import type { CallContext } from "../../core/grpc/peer.ts";
import { ListAlertsRequestSchema } from "../../proto/gen/dbctl/v1/alerts_pb.ts";
import {
  GetBackupRequestSchema,
  ListBackupsRequestSchema,
} from "../../proto/gen/dbctl/v1/backups_pb.ts";
import {
  GetDatabaseRequestSchema,
  ListDatabasesRequestSchema,
} from "../../proto/gen/dbctl/v1/databases_pb.ts";
import {
  CancelJobRequestSchema,
  EnqueueBackupsRequestSchema,
  EnqueueVerifyRequestSchema,
  GetJobRequestSchema,
  ListJobsRequestSchema,
  WatchJobsRequestSchema,
} from "../../proto/gen/dbctl/v1/jobs_pb.ts";
import {
  ApplyPoliciesRequestSchema,
  ExplainPolicyRequestSchema,
  GetPolicyRequestSchema,
  ListPoliciesRequestSchema,
} from "../../proto/gen/dbctl/v1/policies_pb.ts";
import { evaluateAlerts } from "../alerts/evaluate-alerts.ts";
import { claimNextJob } from "../jobs/claim-next-job.ts";
import { backedUp, failed, goldPolicy, openScratchFleet } from "../jobs/scratch-fleet.ts";
import type { EventInit, ScratchFleet } from "../jobs/scratch-fleet.ts";
import { createAlertsService } from "./alerts-service.ts";
import { createBackupsService } from "./backups-service.ts";
import { createDatabasesService } from "./databases-service.ts";
import { createJobsService } from "./jobs-service.ts";
import { createPoliciesService } from "./policies-service.ts";

const identity = { kind: "user", name: "ann", role: "operator", serial: "1" } as const;
const context: CallContext = {
  signal: AbortSignal.timeout(60_000),
  peer: { address: "10.0.0.1:5", identity },
};

async function runNext(fleet: ScratchFleet, host: string, result: EventInit): Promise<void> {
  const job = await claimNextJob(fleet.db, { host }, fleet.now());
  assert.ok(job !== undefined);
  await fleet.say(job, result);
}

const byNames = (...names: string[]) =>
  create(EnqueueBackupsRequestSchema, { selection: { case: "names", value: { names } } });

test("the jobs service makes, shows, watches and cancels jobs", async () => {
  await using fleet = await openScratchFleet(["db1", "db2"]);
  const service = createJobsService({ ...fleet, watchPauseMs: 1 });
  const all = create(EnqueueBackupsRequestSchema, { selection: { case: "all", value: {} } });
  const { jobs = [] } = await service.enqueueBackups(all, context);
  assert.deepEqual(
    jobs.map(({ database, requestedBy }) => [database, requestedBy]),
    [
      ["db1/shop", "operator:ann"],
      ["db2/shop", "operator:ann"],
    ],
  );
  const ids = jobs.map(({ id }) => id ?? "");
  await runNext(fleet, "db1", backedUp("b1"));
  const cancelled = await service.cancelJob(
    create(CancelJobRequestSchema, { id: ids[1] ?? "" }),
    context,
  );
  assert.equal(cancelled.job?.state?.kind?.case, "cancelled");
  const watch = service.watchJobs(create(WatchJobsRequestSchema, { ids }), context);
  const seen = (await Array.fromAsync(watch)).map(({ job }) => job?.state?.kind?.case);
  assert.deepEqual(seen, ["succeeded", "cancelled"]);
  const list = await service.listJobs(
    create(ListJobsRequestSchema, { states: ["succeeded"] }),
    context,
  );
  assert.deepEqual(
    list.jobs?.map(({ id }) => id),
    [ids[0]],
  );
  const verify = create(EnqueueVerifyRequestSchema, { backupId: "b1" });
  assert.equal((await service.enqueueVerify(verify, context)).job?.host, "db1");
});

test("the jobs service refuses what it cannot find", async () => {
  await using fleet = await openScratchFleet();
  const service = createJobsService(fleet);
  await assert.rejects(service.enqueueBackups(byNames("db1/shp"), context), {
    code: "database-unknown",
  });
  const none = create(EnqueueBackupsRequestSchema);
  await assert.rejects(service.enqueueBackups(none, context), { code: "usage" });
  const states = create(ListJobsRequestSchema, { states: ["asleep"] });
  await assert.rejects(service.listJobs(states, context), { code: "usage", remedy: /queued/ });
  const many = create(ListJobsRequestSchema, { limit: 10_001 });
  await assert.rejects(service.listJobs(many, context), { code: "usage" });
  await assert.rejects(service.getJob(create(GetJobRequestSchema, { id: "x" }), context), {
    code: "job-unknown",
  });
  const watch = service.watchJobs(create(WatchJobsRequestSchema, { ids: ["x"] }), context);
  await assert.rejects(Array.fromAsync(watch), { code: "job-unknown" });
});

test("the databases service shows the worst first, with its recoverability", async () => {
  await using fleet = await openScratchFleet(["db1", "db2"]);
  const jobs = createJobsService(fleet);
  const service = createDatabasesService(fleet);
  await jobs.enqueueBackups(byNames("db1/shop"), context);
  await runNext(fleet, "db1", backedUp("b1"));
  const all = await service.listDatabases(create(ListDatabasesRequestSchema), context);
  const shown = all.databases?.map((one) => [
    one.name,
    one.recoverability?.state,
    one.recoverability?.level,
  ]);
  assert.deepEqual(shown, [
    ["db2/shop", "warning", "none"],
    ["db1/shop", "ok", "stored"],
  ]);
  const some = create(ListDatabasesRequestSchema, { selector: "host in (db1)" });
  assert.equal((await service.listDatabases(some, context)).databases?.length, 1);
  const name = create(GetDatabaseRequestSchema, { name: "db1/shop" });
  const { database } = await service.getDatabase(name, context);
  assert.deepEqual(
    [database?.policy, database?.engine, database?.labels],
    ["gold", "postgres", { env: "prod" }],
  );
  assert.equal(database?.recoverability?.rpoSeconds, 26n * 3600n);
  const unknown = service.getDatabase(
    create(GetDatabaseRequestSchema, { name: "db1/shpo" }),
    context,
  );
  await assert.rejects(unknown, { code: "database-unknown", remedy: /"db1\/shop"/ });
});

test("a partial backup is listed, and makes nothing recoverable", async () => {
  await using fleet = await openScratchFleet();
  await createJobsService(fleet).enqueueBackups(byNames("db1/shop"), context);
  await runNext(fleet, "db1", backedUp("b1", "partial"));
  assert.equal((await fleet.events()).at(-1), "backup_partial");
  const service = createBackupsService(fleet);
  const list = create(ListBackupsRequestSchema, { database: "db1/shop" });
  const { backups } = await service.listBackups(list, context);
  assert.deepEqual(
    backups?.map(({ id, state, bytesStored }) => [id, state, bytesStored]),
    [["b1", "partial", 10n]],
  );
  const one = await service.getBackup(create(GetBackupRequestSchema, { id: "b1" }), context);
  assert.equal(one.backup?.repositoryUrl, "/backups/gold");
  const unknown = service.getBackup(create(GetBackupRequestSchema, { id: "b2" }), context);
  await assert.rejects(unknown, { code: "backup-unknown" });
  const databases = createDatabasesService(fleet);
  const { database } = await databases.getDatabase(
    create(GetDatabaseRequestSchema, { name: "db1/shop" }),
    context,
  );
  assert.equal(database?.recoverability?.level, "none");
});

test("the policies service applies, lists and explains", async () => {
  await using fleet = await openScratchFleet();
  const service = createPoliciesService(fleet);
  const yaml = goldPolicy.replace("26h", "24h");
  const bad = await service.applyPolicies(create(ApplyPoliciesRequestSchema, { yaml }), context);
  assert.equal(bad.faults?.[0]?.line, 5);
  const good = create(ApplyPoliciesRequestSchema, { yaml: goldPolicy.replace("26h", "27h") });
  const { changes } = await service.applyPolicies(good, context);
  assert.deepEqual(changes, [{ policy: "gold", change: "changed" }]);
  const { policies } = await service.listPolicies(create(ListPoliciesRequestSchema), context);
  assert.equal(policies?.[0]?.rpoSeconds, 27n * 3600n);
  const wrong = service.getPolicy(create(GetPolicyRequestSchema, { name: "gild" }), context);
  await assert.rejects(wrong, { code: "policy-unknown", remedy: /"gold"/ });
  const explain = create(ExplainPolicyRequestSchema, { database: "db1/shop" });
  const explained = await service.explainPolicy(explain, context);
  assert.ok(explained.nextRunAt !== undefined);
  assert.equal(explained.settings?.find(({ name }) => name === "rpo")?.value, "27h");
});

test("the alerts service shows open alerts, and resolved ones when asked", async () => {
  await using fleet = await openScratchFleet();
  const service = createAlertsService(fleet);
  await createJobsService(fleet).enqueueBackups(byNames("db1/shop"), context);
  await runNext(fleet, "db1", failed(false));
  await evaluateAlerts(fleet.db, fleet.now());
  const { alerts } = await service.listAlerts(create(ListAlertsRequestSchema), context);
  assert.deepEqual(
    alerts?.map(({ kind, object, state }) => [kind, object, state]),
    [["backup_failed", "db1/shop", "open"]],
  );
  await fleet.db.run("update databases set dropped_at = 'x'");
  await evaluateAlerts(fleet.db, fleet.now());
  await evaluateAlerts(fleet.db, fleet.now());
  assert.deepEqual((await service.listAlerts(create(ListAlertsRequestSchema), context)).alerts, []);
  const all = create(ListAlertsRequestSchema, { includeResolved: true });
  assert.equal((await service.listAlerts(all, context)).alerts?.[0]?.state, "resolved");
});
