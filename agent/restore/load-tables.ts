import { DbctlError } from "../../core/errors.ts";
import type { BackupBody, TableEntry } from "../backup/backup-body.ts";
import { type Lane, runOnLanes } from "../lanes/lane.ts";
import type { OpenBackup } from "../repository/open-backup.ts";
import type { RestoreEvent } from "./restore-backup.ts";

interface Loading {
  backup: OpenBackup;
  body: BackupBody;
}

/** Loads every stream, the largest tables first, and checks that the server has taken all rows. */
export async function* loadTables(
  lanes: Lane[],
  { backup, body }: Loading,
): AsyncGenerator<RestoreEvent> {
  const size = ({ sums }: TableEntry) => Number(sums.bytes);
  const tables = body.tables.toSorted((a, b) => size(b) - size(a));
  const work = tables.flatMap((entry) => entry.streams.map((stream) => ({ entry, stream })));
  const loaded = new Map<TableEntry, bigint>();
  const load = async (lane: Lane, { entry, stream }: (typeof work)[number]) => {
    const map = await backup.streamMap(stream);
    const rows = await lane.loadStream(entry.data, map);
    return { entry, bytes: map.bytes, rows };
  };
  for await (const { entry, bytes, rows } of runOnLanes(lanes, work, load)) {
    loaded.set(entry, (loaded.get(entry) ?? 0n) + BigInt(rows));
    yield { kind: "part-loaded", table: nameOf(entry), bytes, rows };
  }
  for (const entry of tables) checkCount(entry, loaded.get(entry) ?? 0n);
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
