import { open } from "node:fs/promises";

/** Bytes of a known number that can be read from anywhere: a file, or a part of one. */
export interface RandomBytes {
  readonly size: number;
  /** Exactly `length` bytes, or as many as there are. */
  read(offset: number, length: number): Promise<Buffer>;
}

/** A part of a file; it is open until disposed. */
export interface OpenBytes extends RandomBytes, AsyncDisposable {}

export interface Region {
  path: string;
  offset: number;
  /** Undefined: up to the file's end. */
  size?: number;
}

export async function openRegion({ path, offset, size }: Region): Promise<OpenBytes> {
  const handle = await open(path, "r");
  const { size: all } = await handle.stat();
  const room = Math.max(all - offset, 0);
  const own = Math.min(size ?? room, room);
  return {
    size: own,
    async read(from, length) {
      const wanted = Math.max(Math.min(length, own - from), 0);
      const buffer = Buffer.allocUnsafe(wanted);
      let filled = 0;
      while (filled < wanted) {
        const position = offset + from + filled;
        const { bytesRead } = await handle.read(buffer, filled, wanted - filled, position);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      return buffer.subarray(0, filled);
    },
    [Symbol.asyncDispose]: () => handle.close(),
  };
}

/** For what is in memory already. */
export function bytesOf(buffer: Buffer): RandomBytes {
  return {
    size: buffer.length,
    read: async (from, length) => buffer.subarray(from, from + length),
  };
}
