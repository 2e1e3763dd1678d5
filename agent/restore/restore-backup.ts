import { parseBackupBody, type BackupBody } from "../backup/backup-body.ts";
import type { Engine, Section, SnapshotTicket } from "../engines/engine.ts";
import { streamStep } from "../engines/restore-journal.ts";
import { type Lane, type Lanes, onEvery, openLanes } from "../lanes/lane.ts";
import { checkBackup } from "../repository/check-backup.ts";
import type { EpochKeys } from "../repository/epoch.ts";
import type { OpenBackup } from "../repository/open-backup.ts";
import { refuseDamage } from "../verify/refuse-damage.ts";
import { buildSection } from "./build-section.ts";
import { compareObjects } from "./compare-objects.ts";
import { compareTables } from "./compare-tables.ts";
import {
  endFailedRestore,
  type FailedRestore,
  type RestoreCommands,
} from "./end-failed-restore.ts";
import { loadTables } from "./load-tables.ts";
import { openTarget, type OpenTarget, type Resuming } from "./open-target.ts";

export interface RestoreParts {
  engine: Engine;
  backup: OpenBackup;
  openLane: (epoch: EpochKeys) => Promise<Lane>;
}

export interface RestoreOptions {
  /** Creates the target database; without it the target must be there and empty. */
  create: boolean;
  resume: Resuming;
  /** Loaders at once. */
  jobs: number;
  /** Told to a person when the restore fails and can be gone on with. */
  commands?: RestoreCommands;
  signal: AbortSignal;
}

export type RestoreEvent =
  | { kind: "checked"; tables: number; bytes: number }
  | { kind: "section-begun"; section: Section; objects: number }
  /** `bytes`: what there is to load, without what an earlier attempt has loaded; roughly. */
  | { kind: "loading-begun"; bytes: number }
  | { kind: "comparing-begun" }
  | { kind: "part-loaded"; table: string; bytes: number; rows: number }
  | { kind: "part-compared"; table: string; bytes: number }
  /** `resumedParts`: those of `parts` that earlier attempts had loaded. */
  | { kind: "finished"; tables: number; rows: bigint; parts: number; resumedParts: number };

/**
 * Restores a backup into one database and proves it: its objects are listed again, the rows of
 * every table are read back, and both are compared with the backup's. The target is not touched
 * before every object that is needed is known to be there. A journal in the target says what is
 * done, so that a restore that was cut short is gone on with, by `resume`; what a failed one leaves
 * is said by its error (`end-failed-restore.ts`).
 */
export async function* restoreBackup(
  { engine, backup, openLane }: RestoreParts,
  { create, resume, jobs, commands, signal }: RestoreOptions,
): AsyncGenerator<RestoreEvent> {
  const body = parseBackupBody(backup);
  await refuseDamage(backup, checkBackup(backup, { level: "index", signal }));
  const bytes = body.tables.reduce((sum, { sums }) => sum + Number(sums.bytes), 0);
  yield { kind: "checked", tables: body.tables.length, bytes };

  await using opened = await openTarget(engine, { backup, body }, { create, resume, signal });
  const { target } = opened;
  const attempt = beginAttempt(opened, { body, commands });
  const resumedParts = attempt.parts.loaded;
  try {
    await using lanes = await openLanes(jobs, () => openLane(backup.epoch));
    const work = { engine, backup, body, done: target.done, signal };
    for await (const event of restoreInto(lanes, work)) {
      note(attempt, event);
      yield event;
    }
    await target.finish({ signal });
  } catch (error) {
    throw await endFailedRestore(signal.aborted ? signal.reason : error, attempt);
  }
  const rows = body.tables.reduce((sum, { sums }) => sum + BigInt(sums.rows), 0n);
  const parts = attempt.parts.all;
  yield { kind: "finished", tables: body.tables.length, rows, parts, resumedParts };
}

function beginAttempt(
  { target, resumed }: OpenTarget,
  { body, commands }: { body: BackupBody; commands: RestoreCommands | undefined },
): FailedRestore {
  const streams = body.tables.flatMap((table) => table.streams);
  const loaded = streams.filter((stream) => target.done.has(streamStep(stream))).length;
  const parts = { loaded, all: streams.length };
  return { target, resumed, isLoading: resumed, parts, commands };
}

function note(attempt: FailedRestore, { kind }: RestoreEvent): void {
  if (kind === "loading-begun") attempt.isLoading = true;
  if (kind === "part-loaded") attempt.parts.loaded++;
}

interface Work {
  engine: Engine;
  backup: OpenBackup;
  body: BackupBody;
  /** Steps of earlier attempts. */
  done: ReadonlySet<string>;
  signal: AbortSignal;
}

async function* restoreInto({ all }: Lanes, work: Work): AsyncGenerator<RestoreEvent> {
  const { backup, body, done } = work;
  const one = all.slice(0, 1);
  await onEvery(all, (lane) => lane.openLoader());
  yield* buildSection(one, { body, section: "pre-data", done });
  yield* loadTables(all, { backup, body, done });
  yield* buildSection(all, { body, section: "index", done });
  yield* buildSection(one, { body, section: "constraint", done });
  yield* buildSection(one, { body, section: "foreign-key", done });
  yield* buildSection(all, { body, section: "validation", done });
  yield* buildSection(one, { body, section: "post-data", done });
  yield { kind: "comparing-begun" };
  yield* compareRestored(all, work);
}

/** Reads the database as a backup would, and compares what it holds with what it should. */
async function* compareRestored(
  lanes: Lane[],
  { engine, body, signal }: Work,
): AsyncGenerator<RestoreEvent> {
  const startReaders = (ticket: SnapshotTicket) =>
    onEvery(lanes, (lane) => lane.openReader(ticket));
  await using snapshot = await engine.openSnapshot({ startReaders, signal });
  const restored = { facts: await engine.probe({ signal }), list: await snapshot.listObjects() };
  compareObjects(body, restored);
  yield* compareTables(lanes, { snapshot, body });
}
