import assert from "node:assert/strict";
import { create } from "@bufbuild/protobuf";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { InstanceSchema, JobEventSchema } from "../../proto/gen/dbctl/v1/agent_link_pb.ts";
import { recordInstances } from "../agents/record-instances.ts";
import type { Db } from "../database/database.ts";
import { openScratchCatalog } from "../database/scratch-catalog.ts";
import { applyPolicies } from "../policies/apply-policies.ts";
import { applyJobEvent } from "./apply-job-event.ts";
import type { JobRecord } from "./job-record.ts";
import { requireJob } from "./insert-job.ts";

export const goldPolicy = `
- name: gold
  select: engine=postgres
  schedule: "0 3 * * *"
  rpo: 26h
  repository: /backups/gold
`;

export type EventInit = MessageInitShape<typeof JobEventSchema>["event"];

export interface ScratchFleet extends AsyncDisposable {
  db: Db;
  path: string;
  now: () => Date;
  /** Lets time pass. */
  pass: (seconds: number) => Date;
  /** What the agent of the host says next of a job. */
  say: (job: JobRecord, event: EventInit) => Promise<string>;
  state: (job: JobRecord) => Promise<string>;
  events: () => Promise<string[]>;
}

/** A fleet from 2026 on: hosts with one PostgreSQL server and the database `shop` each. */
export async function openScratchFleet(
  hosts: readonly string[] = ["db1"],
  { policies = goldPolicy }: { policies?: string } = {},
): Promise<ScratchFleet> {
  const catalog = await openScratchCatalog();
  const { db, path } = catalog;
  let time = Date.UTC(2026, 0, 1);
  const now = () => new Date(time);
  for (const host of hosts) await addHost(db, host, now());
  const { faults } = await applyPolicies(
    db,
    { yaml: policies, dryRun: false, actor: "ann" },
    now(),
  );
  assert.deepEqual(faults, []);
  const sequences = new Map<string, bigint>();
  return {
    db,
    path,
    now,
    pass: (seconds) => new Date((time += seconds * 1000)),
    say: async ({ job, fencingToken }, event) => {
      const sequence = (sequences.get(job.host) ?? 0n) + 1n;
      sequences.set(job.host, sequence);
      const values = { sequence, jobId: job.id, fencingToken: BigInt(fencingToken) };
      const message = create(JobEventSchema, event === undefined ? values : { ...values, event });
      const agent = { id: job.host, host: job.host };
      return await applyJobEvent(db, { agent, event: message }, now());
    },
    state: async ({ job }) => (await requireJob(db, job.id)).job.state?.kind.case ?? "",
    events: async () => {
      const rows = await db.all("select body from outbox order by position");
      return rows.map((row) => (JSON.parse(String(row["body"])) as { type: string }).type);
    },
    [Symbol.asyncDispose]: () => catalog[Symbol.asyncDispose](),
  };
}

async function addHost(db: Db, host: string, now: Date): Promise<void> {
  await db.run(
    `insert into agents (id, host, labels, enrolled_at, last_seen_at, certificate_serial, certificate_ends_at)
     values (:host, :host, '{"env":"prod"}', :now, :now, :host, :now)`,
    { host, now: now.toISOString() },
  );
  const instance = create(InstanceSchema, {
    name: "main",
    instanceId: `id-of-${host}`,
    engine: "postgres",
    version: "17",
    databases: [{ name: "shop", size: 1000n }],
  });
  await db.transaction((inner) =>
    recordInstances(inner, { agentId: host, instances: [instance] }, now),
  );
}

/** A good result of a backup. */
export function backedUp(backupId: string, state = "complete"): EventInit {
  const value = { backupId, state, engine: "postgres", bytesStored: 10n };
  return { case: "succeeded", value: { kind: { case: "backup", value } } };
}

export const started: EventInit = { case: "started", value: {} };

export function failed(retryable: boolean): EventInit {
  const value = {
    code: "engine-unreachable",
    message: "Cannot reach it: down",
    remedy: "Start it",
    retryable,
  };
  return { case: "failed", value };
}
