import { ArchiveCursor } from "./archive-cursor.ts";
import { openRegion, type RandomBytes } from "./random-bytes.ts";
import type { Toc } from "./read-toc.ts";

export interface DataReading {
  signal: AbortSignal;
  /** Told how many stored bytes were read. */
  onRead: (bytes: number) => void;
}

/** A block of data begins with this byte and the number of its entry (pg_backup_custom.c). */
const [dataBlock, blobsBlock] = [1, 3];

interface Block {
  path: string;
  toc: Toc;
  offset: number;
  id: number;
}

export async function* readBlock(
  { path, toc, offset, id }: Block,
  reading: DataReading,
): AsyncGenerator<Buffer> {
  await using bytes = await openRegion({ path, offset: 0 });
  const cursor = await enterBlock(bytes, { toc, offset, id });
  for (;;) {
    let length = await cursor.int();
    if (length === 0) return;
    if (length < 0 || length > cursor.left)
      throw cursor.bad("truncated", `the data of entry ${id} end too early`);
    while (length > 0) {
      reading.signal.throwIfAborted();
      const piece = await cursor.some(length);
      length -= piece.length;
      reading.onRead(piece.length);
      yield piece;
    }
  }
}

/** Goes along a block to its end, without reading what is in it. */
export async function checkBlock({ path, ...block }: Block): Promise<void> {
  await using bytes = await openRegion({ path, offset: 0 });
  await skipChunks(await enterBlock(bytes, block));
}

async function enterBlock(
  bytes: RandomBytes,
  { toc, offset, id }: Omit<Block, "path">,
): Promise<ArchiveCursor> {
  const cursor = new ArchiveCursor(bytes, offset);
  cursor.widths = toc.widths;
  const [block, found] = [await cursor.byte(), await cursor.int()];
  if (block === dataBlock && found === id) return cursor;
  throw cursor.bad("damaged", `the data of entry ${id} are not where they should be`);
}

/**
 * Where each entry's data are in a custom archive. One that was written to a pipe does not tell:
 * then the blocks are gone through, without reading what is in them.
 */
export async function findBlocks(
  path: string,
  toc: Toc,
  signal: AbortSignal,
): Promise<Map<number, number>> {
  const known = toc.entries.flatMap(({ id, data }): [number, number][] =>
    data.kind === "known" ? [[id, data.offset]] : [],
  );
  const isTold = toc.entries.every(({ data }) => data.kind !== "unknown");
  if (isTold || toc.damage !== null) return new Map(known);
  await using bytes = await openRegion({ path, offset: 0 });
  const cursor = new ArchiveCursor(bytes, toc.end);
  cursor.widths = toc.widths;
  const found = new Map<number, number>();
  while (cursor.left > 0) {
    signal.throwIfAborted();
    const offset = cursor.place;
    const [block, id] = [await cursor.byte(), await cursor.int()];
    if (block === dataBlock) {
      found.set(id, offset);
      await skipChunks(cursor);
    } else if (block === blobsBlock) await skipBlobs(cursor);
    else throw cursor.bad("damaged", "a block of data is unknown");
  }
  return found;
}

/** Large objects, each behind its oid; a zero ends them. */
async function skipBlobs(cursor: ArchiveCursor): Promise<void> {
  while ((await cursor.int()) !== 0) await skipChunks(cursor);
}

async function skipChunks(cursor: ArchiveCursor): Promise<void> {
  for (;;) {
    const length = await cursor.int();
    if (length === 0) return;
    if (length < 0) throw cursor.bad("damaged", "a piece of data has no length");
    cursor.skip(length);
  }
}
