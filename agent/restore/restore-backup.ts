import { DbctlError } from "../../core/errors.ts";
import { type BackupBody, parseBackupBody } from "../backup/backup-body.ts";
import type {
  Engine,
  PreparedTarget,
  SchemaObject,
  Section,
  SnapshotTicket,
} from "../engines/engine.ts";
import { type Lane, type Lanes, onEvery, openLanes, runOnLanes } from "../lanes/lane.ts";
import { checkBackup } from "../repository/check-backup.ts";
import type { EpochKeys } from "../repository/epoch.ts";
import type { OpenBackup } from "../repository/open-backup.ts";
import { refuseDamage } from "../verify/verify-backup.ts";
import { compareObjects } from "./compare-objects.ts";
import { compareTables } from "./compare-tables.ts";
import { loadTables } from "./load-tables.ts";

export interface RestoreParts {
  engine: Engine;
  backup: OpenBackup;
  openLane: (epoch: EpochKeys) => Promise<Lane>;
}

export interface RestoreOptions {
  /** Creates the target database; without it the target must be there and empty. */
  create: boolean;
  /** Loaders at once. */
  jobs: number;
  signal: AbortSignal;
}

export type RestoreEvent =
  | { kind: "checked"; tables: number; bytes: number }
  | { kind: "section-begun"; section: Section; objects: number }
  | { kind: "loading-begun" }
  | { kind: "comparing-begun" }
  | { kind: "part-loaded"; table: string; bytes: number; rows: number }
  | { kind: "part-compared"; table: string; bytes: number }
  | { kind: "finished"; tables: number; rows: bigint };

/**
 * Restores a backup into one database and proves it: its objects are listed again, the rows of
 * every table are read back, and both are compared with the backup's. The target is not touched before every object that is
 * needed is known to be there. After any error a database that was created here is dropped again.
 */
export async function* restoreBackup(
  { engine, backup, openLane }: RestoreParts,
  { create, jobs, signal }: RestoreOptions,
): AsyncGenerator<RestoreEvent> {
  const body = parseBackupBody(backup);
  await refuseDamage(backup, checkBackup(backup, { level: "index", signal }));
  const bytes = body.tables.reduce((sum, { sums }) => sum + Number(sums.bytes), 0);
  yield { kind: "checked", tables: body.tables.length, bytes };

  const { facts, list } = body;
  const tables = body.tables.map(({ data }) => data);
  const target = await engine.prepareTarget({ facts, list, tables }, { create, signal });
  try {
    await using lanes = await openLanes(jobs, () => openLane(backup.epoch));
    yield* restoreInto(lanes, { engine, backup, body, signal });
  } catch (error) {
    await undo(target, error);
    throw create ? error : incomplete(error);
  }
  const rows = body.tables.reduce((sum, { sums }) => sum + BigInt(sums.rows), 0n);
  yield { kind: "finished", tables: body.tables.length, rows };
}

interface Work {
  engine: Engine;
  backup: OpenBackup;
  body: BackupBody;
  signal: AbortSignal;
}

async function* restoreInto(
  { all }: Lanes,
  { engine, backup, body, signal }: Work,
): AsyncGenerator<RestoreEvent> {
  await onEvery(all, (lane) => lane.openLoader());
  yield* buildSection(all.slice(0, 1), body, "pre-data");
  yield { kind: "loading-begun" };
  yield* loadTables(all, { backup, body });
  yield* buildSection(all, body, "index");
  yield* buildSection(all.slice(0, 1), body, "constraint");
  yield* buildSection(all.slice(0, 1), body, "foreign-key");
  yield* buildSection(all, body, "validation");
  yield* buildSection(all.slice(0, 1), body, "post-data");
  yield { kind: "comparing-begun" };
  yield* compareRestored(all, { engine, backup, body, signal });
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

/** Builds the section's objects: on one lane in their order, on several the costliest first. */
async function* buildSection(
  lanes: Lane[],
  { list }: BackupBody,
  section: Section,
): AsyncGenerator<RestoreEvent> {
  const objects = list.objects.filter((object) => object.section === section);
  yield { kind: "section-begun", section, objects: objects.length };
  const cost = ({ cost = 0 }: SchemaObject) => cost;
  const order = lanes.length === 1 ? objects : objects.toSorted((a, b) => cost(b) - cost(a));
  const build = (lane: Lane, object: SchemaObject) => lane.build(object);
  for await (const _ of runOnLanes(lanes, order, build));
}

/** A database that was there before is left to its owner, who has to know what is in it now. */
function incomplete(error: unknown): DbctlError {
  const { code, message, remedy } = DbctlError.from(error);
  return new DbctlError(code, message, {
    remedy: `${remedy}. Then empty the database, which holds a part of the backup, and restore again`,
    cause: error,
  });
}

/** The restore's own error is the one to report, but what is left behind must be known, too. */
async function undo(target: PreparedTarget, error: unknown): Promise<void> {
  try {
    await target.undo({ signal: AbortSignal.timeout(60_000) });
  } catch (left) {
    throw new AggregateError([error, left], "Cannot undo the restore");
  }
}
