import { DbctlError } from "../../core/errors.ts";
import { type BackupBody, encodeSums, type TableEntry } from "../backup/backup-body.ts";
import type { Part, Snapshot } from "../engines/engine.ts";
import { type Lane, runOnLanes } from "../lanes/lane.ts";
import { addSums, emptySums, type RowSums } from "../pipeline/row-chunker.ts";
import { nameOf } from "./load-tables.ts";
import type { RestoreEvent } from "./restore-backup.ts";

interface Comparison {
  /** Of the restored database; the lanes read it. */
  snapshot: Snapshot;
  body: BackupBody;
}

/** Reads every restored table back and compares its count and digest with the backup's. */
export async function* compareTables(
  lanes: Lane[],
  { snapshot, body }: Comparison,
): AsyncGenerator<RestoreEvent> {
  const work: { entry: TableEntry; part: Part }[] = [];
  for (const entry of body.tables) {
    for (const part of await snapshot.cutParts(entry.data)) work.push({ entry, part });
  }
  work.sort((a, b) => b.part.estimate - a.part.estimate);
  const found = new Map<TableEntry, RowSums>();
  const sum = async (lane: Lane, { entry, part }: (typeof work)[number]) => ({
    entry,
    sums: await lane.sumPart({ ...part, table: entry.data }),
  });
  for await (const { entry, sums } of runOnLanes(lanes, work, sum)) {
    found.set(entry, addSums(found.get(entry) ?? emptySums, sums));
    yield { kind: "part-compared", table: nameOf(entry), bytes: Number(sums.bytes) };
  }
  await snapshot.assertAlive();
  for (const entry of body.tables) compare(entry, found.get(entry) ?? emptySums);
}

function compare(entry: TableEntry, found: RowSums): void {
  const { rows, digest } = encodeSums(found);
  const { sums } = entry;
  if (rows === sums.rows && digest === sums.digest) return;
  const counts = `the backup has ${sums.rows} rows with digest ${sums.digest}`;
  throw new DbctlError(
    "digest-mismatch",
    `Cannot prove table ${nameOf(entry)}: ${rows} rows with digest ${digest} were read back, ${counts}`,
    { remedy: "Do not use the restored database; report this with the server's version" },
  );
}
