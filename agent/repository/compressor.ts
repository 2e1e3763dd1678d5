import { constants, zstdCompressSync } from "node:zlib";
import { release } from "./chunk-memory.ts";

/** Of a chunk, as many pieces of so many bytes tell whether it shrinks. */
const pieces = 8;
const pieceBytes = 2048;
/** A probe that keeps more than this share says that compressing is not worth it. */
const worthwhile = 0.97;
/** Smaller chunks are compressed without ado. */
const smallest = 4 * pieces * pieceBytes;
/** Chunks in a row that only a probe was made of: then one is compressed as a whole again. */
const mostSkipped = 15;

/**
 * Compresses chunks of one stream after the other, and spares the work where it gains nothing: after
 * a chunk that did not shrink (pictures, archives, what is encrypted already), a probe decides on
 * the next ones. A probe costs a thirtieth of compressing 1 MiB (docs/performance.md).
 */
export class Compressor {
  readonly #probe = Buffer.alloc(pieces * pieceBytes);
  #isSuspicious = false;
  #skipped = 0;
  /** Chunks that were compressed as a whole. */
  compressed = 0;

  /** One zstd frame, or undefined when it would not be smaller than the chunk. */
  compress(chunk: Uint8Array): Buffer | undefined {
    if (this.#isSuspicious && this.#skipped < mostSkipped && !this.#shrinks(chunk)) {
      this.#skipped += 1;
      return undefined;
    }
    this.#skipped = 0;
    this.compressed += 1;
    const packed = zstd(chunk, 1 << 20);
    this.#isSuspicious = packed.length >= chunk.length;
    if (!this.#isSuspicious) return packed;
    release(packed);
    return undefined;
  }

  #shrinks(chunk: Uint8Array): boolean {
    if (chunk.length < smallest) return true;
    const step = (chunk.length - pieceBytes) / (pieces - 1);
    for (let n = 0; n < pieces; n++) {
      const at = Math.floor(n * step);
      this.#probe.set(chunk.subarray(at, at + pieceBytes), n * pieceBytes);
    }
    return zstd(this.#probe, 1 << 15).length < this.#probe.length * worthwhile;
  }
}

/** zstd, RFC 8878. Level 1 is the fastest that is worth it (docs/performance.md). */
function zstd(bytes: Uint8Array, chunkSize: number): Buffer {
  const { ZSTD_c_compressionLevel, ZSTD_c_windowLog } = constants;
  const params = { [ZSTD_c_compressionLevel]: 1, [ZSTD_c_windowLog]: 17 };
  return zstdCompressSync(bytes, { params, chunkSize });
}
