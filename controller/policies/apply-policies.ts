import { formatDuration } from "../../core/duration.ts";
import { newId } from "../../core/ids.ts";
import { recordEvent } from "../bus/outbox.ts";
import { readDatabases } from "../catalog/read-databases.ts";
import type { Db } from "../database/database.ts";
import type { Fault } from "./field-reader.ts";
import { parsePolicies, senseMessage, senseRemedy } from "./parse-policies.ts";
import { plannedSeconds } from "./policy.ts";
import type { Policy } from "./policy.ts";
import { policyChooser, readPolicies } from "./read-policies.ts";
import type { AppliedPolicy } from "./read-policies.ts";

export interface PolicyChange {
  policy: string;
  change: "added" | "changed" | "removed" | "unchanged";
}

/**
 * Makes the file's policies the fleet's, all or nothing: with one fault nothing changes. A dry run
 * only says what would.
 */
export function applyPolicies(
  db: Db,
  { yaml, dryRun, actor }: { yaml: string; dryRun: boolean; actor: string },
  now: Date,
): Promise<{ faults: Fault[]; changes: PolicyChange[] }> {
  const { policies, faults } = parsePolicies(yaml, now);
  if (faults.length > 0) return Promise.resolve({ faults, changes: [] });
  return db.transaction(async (inner) => {
    const senseless = await senseFaults(inner, policies);
    if (senseless.length > 0) return { faults: senseless, changes: [] };
    const changes = compare(await readPolicies(inner), policies);
    if (!dryRun) await write(inner, { policies, changes, actor, now });
    return { faults: [], changes };
  });
}

/** RPO-03 with the time that backups really take. */
async function senseFaults(db: Db, policies: readonly Policy[]): Promise<Fault[]> {
  const choose = policyChooser(policies.map((policy) => ({ ...policy, appliedAt: new Date(0) })));
  const faults = new Map<string, Fault>();
  for (const database of await readDatabases(db)) {
    const policy = choose(database);
    if (policy === undefined) continue;
    const needed = plannedSeconds(policy, Math.ceil(database.typicalSeconds));
    if (policy.rpoSeconds >= needed) continue;
    const message = `${senseMessage({ ...policy, needed })} (${database.name} takes ${formatDuration(Math.ceil(database.typicalSeconds))})`;
    const line = policy.lines["rpo"] ?? policy.lines["schedule"] ?? 1;
    faults.set(policy.name, { line, column: 1, message, remedy: senseRemedy(needed) });
  }
  return [...faults.values()];
}

function compare(old: readonly AppliedPolicy[], wanted: readonly Policy[]): PolicyChange[] {
  const before = new Map(old.map((policy, position) => [policy.name, { policy, position }]));
  const changes = wanted.map((policy, position): PolicyChange => {
    const known = before.get(policy.name);
    if (known === undefined) return { policy: policy.name, change: "added" };
    const same = known.position === position && meaning(known.policy) === meaning(policy);
    return { policy: policy.name, change: same ? "unchanged" : "changed" };
  });
  const names = new Set(wanted.map(({ name }) => name));
  const removed = old.filter(({ name }) => !names.has(name));
  return [
    ...changes,
    ...removed.map(({ name }): PolicyChange => ({ policy: name, change: "removed" })),
  ];
}

/** What a policy wants, without the places in its file and what was computed. */
function meaning(policy: Policy): string {
  const { lines: _lines, intervalSeconds: _interval, jitterSeconds: _jitter, ...rest } = policy;
  const { appliedAt: _at, ...wanted } = { appliedAt: undefined, ...rest };
  return JSON.stringify(wanted);
}

interface Writing {
  policies: readonly Policy[];
  changes: readonly PolicyChange[];
  actor: string;
  now: Date;
}

async function write(db: Db, { policies, changes, actor, now }: Writing): Promise<void> {
  const kinds = new Map(changes.map(({ policy, change }) => [policy, change]));
  for (const { policy, change } of changes)
    if (change === "removed") await db.run("delete from policies where name = :policy", { policy });
  for (const [position, policy] of policies.entries()) {
    const keep = kinds.get(policy.name) === "unchanged";
    await db.run(
      `insert into policies (name, position, document, applied_at)
       values (:name, :position, :document, :at)
       on conflict (name) do update set position = :position, document = :document,
         applied_at = case when :keep then applied_at else :at end`,
      {
        name: policy.name,
        position,
        document: JSON.stringify(policy),
        at: now.toISOString(),
        keep: keep ? 1 : 0,
      },
    );
  }
  const real = changes.filter(({ change }) => change !== "unchanged");
  if (real.length === 0) return;
  const list = real.map(({ policy, change }) => `${policy} ${change}`).join(", ");
  await recordEvent(
    db,
    {
      id: newId(now.getTime()),
      type: "policy_changed",
      kind: "event",
      severity: "info",
      host: "",
      instance: "",
      database: "",
      message: `${actor} applied policies: ${list}`,
      details: { actor },
    },
    now,
  );
}
