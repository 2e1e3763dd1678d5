import { BadArchive } from "./bad-archive.ts";
import type { RandomBytes } from "./random-bytes.ts";

const readBytes = 1 << 18;
/** The server's own limit of a text. */
const textLimit = 1 << 30;

/** Widths that the archive's header announces. */
export interface Widths {
  int: number;
  offset: number;
}

/** Offsets' states (pg_backup_archiver.h, K_OFFSET_…). */
export type StoredOffset =
  | { kind: "unknown" }
  | { kind: "known"; offset: number }
  | { kind: "no-data" };

/**
 * Reads the primitive values of pg_dump's archives (pg_backup_archiver.c: ReadInt, ReadStr,
 * ReadOffset) one after the other. Nothing is believed: what goes beyond the end is a
 * `BadArchive`.
 */
export class ArchiveCursor {
  readonly #source: RandomBytes;
  #buffer: Buffer = Buffer.alloc(0);
  /** Byte of the source where the buffer begins. */
  #base = 0;
  #at = 0;
  widths: Widths = { int: 4, offset: 8 };

  constructor(source: RandomBytes, offset = 0) {
    this.#source = source;
    this.#base = offset;
  }

  get place(): number {
    return this.#base + this.#at;
  }

  get left(): number {
    return this.#source.size - this.place;
  }

  async byte(): Promise<number> {
    return (await this.bytes(1))[0] ?? 0;
  }

  async bytes(count: number): Promise<Buffer> {
    if (this.#at + count > this.#buffer.length) await this.#fill(count);
    this.#at += count;
    return this.#buffer.subarray(this.#at - count, this.#at);
  }

  /** At least one byte, at most `most`: as many as can be had at once. */
  async some(most: number): Promise<Buffer> {
    if (this.#at === this.#buffer.length) await this.#fill(1);
    return await this.bytes(Math.min(most, this.#buffer.length - this.#at));
  }

  skip(count: number): void {
    if (count > this.left) throw this.bad("truncated", "it ends too early");
    this.#base += this.#at + count;
    this.#buffer = Buffer.alloc(0);
    this.#at = 0;
  }

  /** A sign, then an absolute value with its lowest byte first. */
  async int(): Promise<number> {
    const width = this.widths.int;
    const bytes = await this.bytes(width + 1);
    let value = 0;
    for (let n = width; n > 0; n--) value = value * 256 + (bytes[n] ?? 0);
    if (!Number.isSafeInteger(value)) throw this.bad("damaged", "a number in it is too large");
    return bytes[0] === 0 ? value : -value;
  }

  /** A character for each byte, so that text of any encoding stays as it is; null when there is none. */
  async text(): Promise<string | null> {
    const length = await this.int();
    if (length < 0) return null;
    if (length > textLimit) throw this.bad("damaged", `a text of ${length} bytes cannot be`);
    return (await this.bytes(length)).toString("latin1");
  }

  async offset(): Promise<StoredOffset> {
    const [state, width] = [await this.byte(), this.widths.offset];
    const bytes = await this.bytes(width);
    let offset = 0;
    for (let n = width - 1; n >= 0; n--) offset = offset * 256 + (bytes[n] ?? 0);
    if (state === 1) return { kind: "unknown" };
    if (state === 3) return { kind: "no-data" };
    if (state !== 2) throw this.bad("damaged", `an offset's state is ${state}`);
    if (offset >= this.#source.size)
      throw this.bad("truncated", `data should be at byte ${offset}, behind its end`);
    return { kind: "known", offset };
  }

  bad(kind: "truncated" | "damaged", what: string): BadArchive {
    return new BadArchive(kind, what, { byte: this.place });
  }

  async #fill(count: number): Promise<void> {
    if (count > this.left) throw this.bad("truncated", "it ends too early");
    this.#base += this.#at;
    this.#at = 0;
    this.#buffer = await this.#source.read(this.#base, Math.max(count, readBytes));
    if (this.#buffer.length < count) throw this.bad("truncated", "it ends too early");
  }
}
