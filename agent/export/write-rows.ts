import { DbctlError } from "../../core/errors.ts";
import { encodeSums, type TableEntry } from "../backup/backup-body.ts";
import type { RowWriter } from "../engines/export/exporter.ts";
import { addSums, emptySums, noChunks, RowChunker } from "../pipeline/row-chunker.ts";
import { deriveRowKey } from "../repository/epoch.ts";
import type { OpenBackup } from "../repository/open-backup.ts";
import { readStream } from "../repository/read-stream.ts";
import { nameOf } from "../restore/load-tables.ts";
import type { NewFile } from "./new-file.ts";

interface Writing {
  backup: OpenBackup;
  entry: TableEntry;
  writer: RowWriter;
  file: NewFile;
  signal: AbortSignal;
}

/**
 * Writes all rows of a table, and proves that they are those of the backup: by their count and
 * digest. Yields the bytes of the backup that were written each time.
 */
export async function* writeRows(writing: Writing): AsyncGenerator<number> {
  const { backup, entry, writer, file, signal } = writing;
  const { store, epoch } = backup;
  const rows = new RowChunker(noChunks, deriveRowKey(epoch));
  const digest = (piece: Uint8Array, last: boolean) => rows.pushPiece(piece, last);
  await file.write(writer.head());
  let sums = emptySums;
  for (const stream of entry.streams) {
    const map = await backup.streamMap(stream);
    rows.beginPart();
    for await (const chunk of readStream({ store, epoch, map, signal })) {
      for (let at = 0; at < chunk.length; at += pieceBytes)
        await file.write(writer.write(chunk.subarray(at, at + pieceBytes), digest));
      signal.throwIfAborted();
      yield chunk.length;
    }
    sums = addSums(sums, rows.endPart());
  }
  await file.write(writer.end());
  prove(entry, encodeSums(sums));
}

/** Text may need six times the room of what it was. */
const pieceBytes = 1 << 18;

function prove(entry: TableEntry, found: TableEntry["sums"]): void {
  const { rows, digest } = entry.sums;
  if (found.rows === rows && found.digest === digest) return;
  throw new DbctlError(
    "digest-mismatch",
    `Cannot export table ${nameOf(entry)}: ${found.rows} rows with digest ${found.digest} were ` +
      `read, the backup has ${rows} rows with digest ${digest}`,
    { remedy: "Run dbctl verify on the backup, and report this with its result" },
  );
}
