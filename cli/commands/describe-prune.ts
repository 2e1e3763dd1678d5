import type { EpochState } from "../../agent/prune/judge-epoch.ts";
import type { PruneEvent } from "../../agent/prune/prune-event.ts";
import type { Decision, PlannedBackup, PrunePlan } from "../../agent/prune/prune-plan.ts";
import type { WaitReason } from "../../agent/prune/prune-plan.ts";
import { formatBytes, formatTable } from "../output/format.ts";

/** What a prune has decided, and done. */
export interface PruneResult {
  confirmed: boolean;
  plan: PrunePlan;
  removed: Size & { backups: number };
  retained: (PruneEvent & { kind: "retained" })[];
  /** Backups that somebody undeleted or held at the last moment. */
  spared: string[];
  /** Epochs in which somebody began to work. */
  inUse: string[];
}

interface Size {
  objects: number;
  bytes: number;
}

/** What the plan removes. */
export function sizeOf(plan: PrunePlan): Size & { backups: number } {
  const doomed = plan.backups.filter(({ decision }) => decision.act === "remove");
  const infos = [
    ...doomed.flatMap(({ manifest, maps }) => [manifest.info, ...maps]),
    ...plan.objects.filter(({ decision }) => decision.act === "remove").map(({ info }) => info),
  ];
  const bytes = infos.reduce((sum, { size }) => sum + size, 0);
  return { backups: doomed.length, objects: infos.length, bytes };
}

/** As `--json` shows it. */
export function pruneDocument(result: PruneResult) {
  const { confirmed, plan, removed, retained, spared, inUse } = result;
  const backups = plan.backups.flatMap(({ manifest, decision }) => {
    if (decision.act === "keep" && decision.why === "wanted") return [];
    const { id, instance, source } = manifest;
    return [{ backup: id, instance, database: `${source.host}/${source.database}`, ...decision }];
  });
  return {
    confirmed,
    planned: sizeOf(plan),
    removed,
    backups,
    waiting: waitingOf(plan),
    epochs: plan.epochs,
    missing: plan.missing,
    forked: plan.forked,
    retained: retained.map(({ key, size, until = null }) => ({ key, size, until })),
    spared,
    inUse,
  };
}

/** The same for people. */
export function pruneLines(result: PruneResult): string[] {
  const { confirmed, plan, removed, retained, spared, inUse } = result;
  const { backups, objects, bytes } = confirmed ? removed : sizeOf(plan);
  const did = confirmed ? "Removed" : "Would remove";
  return [
    `${did} ${backups} backups, ${objects} objects, ${formatBytes(bytes)}.`,
    ...plan.backups.flatMap(describeBackup),
    ...waitingOf(plan).map(
      ({ why, until, objects: count, bytes: size }) =>
        `${count} objects (${formatBytes(size)}) wait: ${waitTexts[why]}${untilText(until)}`,
    ),
    ...retained.map(({ key, until }) => `${key} is ${retainedText(until)}`),
    ...spared.map((backup) => `${backup} was undeleted or held meanwhile, and stays.`),
    ...inUse.map((epoch) => `A backup began in epoch ${epoch} meanwhile: its packs stay.`),
    ...plan.missing.map(
      ({ instance, backups: ids }) =>
        `Backups of server ${instance} are missing, and no prune has removed them ` +
        `(${someOf(ids)}): heal them with dbctl repo check --heal-from, or give them up, ` +
        "or say that this is a copy of some backups, with --accept-missing.",
    ),
    ...plan.forked.map(
      ({ instance, backups: ids }) =>
        `Two hosts of server ${instance} count with one key (${ids.join(", ")}): ` +
        "was a machine copied? Back up there with --fresh-epoch.",
    ),
    "",
    ...epochTable(plan),
    ...(confirmed ? [] : ["", "Nothing was changed: add --confirm."]),
  ];
}

/** Of many, so many are named. */
const named = 5;

function someOf(ids: readonly string[]): string {
  const more = ids.length > named ? [`and ${ids.length - named} more`] : [];
  return [...ids.slice(0, named), ...more].join(", ");
}

function describeBackup({ manifest, decision }: PlannedBackup): string[] {
  const { id, source } = manifest;
  const name = `  ${id} of ${source.host}/${source.database}`;
  if (decision.act === "remove") return [`${name}: deleted, its time has passed`];
  if (decision.act === "wait")
    return [`${name}: ${waitTexts[decision.why]}${untilText(decision.until)}`];
  return decision.why === "held" ? [`${name}: held`] : [];
}

interface Waiting extends Size {
  why: WaitReason;
  /** The latest of them; null when one has no known end. */
  until: Date | null;
}

/** The objects that wait, by the reason. Those of deleted backups wait with their backup. */
function waitingOf({ objects }: PrunePlan): Waiting[] {
  const waiting = objects.flatMap(({ info, decision }) =>
    decision.act === "wait" ? [{ info, decision }] : [],
  );
  return [...Map.groupBy(waiting, ({ decision }) => decision.why)].map(([why, some]) => ({
    why,
    until: latest(some.map(({ decision }) => decision)),
    objects: some.length,
    bytes: some.reduce((sum, { info }) => sum + info.size, 0),
  }));
}

function latest(decisions: readonly (Decision & { act: "wait" })[]): Date | null {
  const ends = decisions.map(({ until }) => (until === undefined ? Infinity : +until));
  const end = ends.reduce((a, b) => Math.max(a, b), 0);
  return Number.isFinite(end) ? new Date(end) : null;
}

const waitTexts: Record<WaitReason, string> = {
  "undelete-window": "deleted, can be undeleted",
  young: "younger than a day",
  "epoch-open": "nothing needs them, but a host may still use their epoch",
  "may-be-running": "of a backup that may be running, or has crashed; as long as its epoch is open",
  incomplete: "of a backup whose manifest is missing",
  "just-seen": "nothing needs them; the next prune may remove them",
  retained: "retained by the store",
};

function untilText(until: Date | null | undefined): string {
  return until === null || until === undefined ? "" : `, until ${until.toISOString()}`;
}

function retainedText(until: Date | undefined): string {
  return until === undefined ? "under legal hold" : `retained until ${until.toISOString()}`;
}

function epochTable({ epochs }: PrunePlan): string[] {
  if (epochs.length === 0) return [];
  const head = ["SERVER", "EPOCH", "STATE", "PACKS", "STORED", "UNREFERENCED", "PARTLY DEAD"];
  const rows = epochs.map(({ instance, epoch, state, packs, ...bytes }) => [
    instance,
    epoch,
    describeState(state),
    String(packs),
    ...[bytes.stored, bytes.unreferenced].map(formatBytes),
    `≤ ${formatBytes(bytes.partlyDead)}`,
  ]);
  return formatTable([head, ...rows]);
}

function describeState(state: EpochState): string {
  if (state.closed) return "closed";
  return `open: ${openTexts[state.why]}`;
}

const openTexts: Record<(EpochState & { closed: false })["why"], string> = {
  changed: "in use",
  running: "a backup may be running",
  current: "its host's current one",
  "unknown-host": "no backup in it",
  incomplete: "a backup is missing",
  forked: "shared by two hosts",
  young: "young",
};
