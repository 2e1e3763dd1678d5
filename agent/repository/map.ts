/** Where a chunk lies, and what it must be. Plain data. */
export interface ChunkRef {
  /** The pack's id, 32 hexadecimal digits. */
  pack: string;
  /** Byte of the pack where the chunk's frame begins. */
  offset: number;
  /** Bytes of the frame. */
  stored: number;
  /** Bytes of the chunk. */
  bytes: number;
  /** The keyed id, 64 hexadecimal digits. */
  id: string;
}

/** One stream as an ordered list of chunks. Plain data: it crosses threads. */
export interface StreamMap {
  chunks: ChunkRef[];
  /** SHA-256 over the chunks' ids (32 bytes each) in order, hexadecimal. */
  hash: string;
  bytes: number;
}

/** A stream that was just written. Plain data: it crosses threads. */
export interface WrittenStream extends StreamMap {
  /** Bytes of chunks that the epoch did not hold yet. */
  newBytes: number;
  /** How many those were. */
  newChunks: number;
}
