import { DbctlError } from "../../core/errors.ts";
import type { BackupBody, TableEntry } from "../backup/backup-body.ts";
import { streamStep } from "../engines/restore-journal.ts";
import { type Lane, runOnLanes } from "../lanes/lane.ts";
import type { OpenBackup } from "../repository/open-backup.ts";
import type { RestoreEvent } from "./restore-backup.ts";

interface Loading {
  backup: OpenBackup;
  body: BackupBody;
  /** Steps of an earlier attempt. */
  done: ReadonlySet<string>;
}

/**
 * Loads every stream that is not loaded yet, the largest tables first, and checks that the server
 * has taken all rows. How many were taken in an earlier attempt the comparison tells.
 */
export async function* loadTables(
  lanes: Lane[],
  { backup, body, done }: Loading,
): AsyncGenerator<RestoreEvent> {
  const size = ({ sums }: TableEntry) => Number(sums.bytes);
  const tables = body.tables.toSorted((a, b) => size(b) - size(a));
  const isDone = (stream: number) => done.has(streamStep(stream));
  const work = tables.flatMap((entry) =>
    entry.streams.filter((n) => !isDone(n)).map((stream) => ({ entry, stream })),
  );
  const share = ({ entry }: { entry: TableEntry }) => size(entry) / entry.streams.length;
  yield { kind: "loading-begun", bytes: work.reduce((sum, part) => sum + share(part), 0) };
  const loaded = new Map<TableEntry, bigint>();
  const load = async (lane: Lane, { entry, stream }: (typeof work)[number]) => {
    const map = await backup.streamMap(stream);
    const rows = await lane.loadStream(entry.data, map, streamStep(stream));
    return { entry, bytes: map.bytes, rows };
  };
  for await (const { entry, bytes, rows } of runOnLanes(lanes, work, load)) {
    loaded.set(entry, (loaded.get(entry) ?? 0n) + BigInt(rows));
    yield { kind: "part-loaded", table: nameOf(entry), bytes, rows };
  }
  for (const entry of tables)
    if (!entry.streams.some(isDone)) checkCount(entry, loaded.get(entry) ?? 0n);
}

function checkCount(entry: TableEntry, rows: bigint): void {
  if (BigInt(entry.sums.rows) === rows) return;
  const counts = `${rows} rows were loaded, the backup has ${entry.sums.rows}`;
  throw new DbctlError("digest-mismatch", `Cannot restore table ${nameOf(entry)}: ${counts}`, {
    remedy: "Check the target's triggers and rules, then restore into an empty database",
  });
}

export function nameOf({ data }: TableEntry): string {
  return `${data.schema}.${data.name}`;
}
