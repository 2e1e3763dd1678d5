import { byte } from "./sql-bytes.ts";

const mark = Buffer.from("\n\\.");

interface Taken {
  /** Bytes in front that are no rows. */
  skipped: number;
  bytes: Buffer;
  /** Ends of lines in `bytes`. */
  rows: number;
  hasEnded: boolean;
  /** Length of the line that ended the rows. */
  mark: number;
}

/**
 * Finds where the rows of a `COPY … FROM stdin` end: at a line with nothing but `\.` (manual, COPY,
 * "Text Format"). Pure.
 */
export class CopyRows {
  /** The line of the COPY itself goes on up to its end. */
  #isHead = true;
  #atLineStart = false;

  begin(): void {
    this.#isHead = true;
    this.#atLineStart = false;
  }

  /** What can be told of the bytes; what it does not take is to be given again with more. */
  take(data: Buffer, isLast: boolean): Taken {
    const skipped = this.#isHead ? this.#skipHead(data) : 0;
    let at = skipped;
    for (;;) {
      if (this.#atLineStart) {
        const length = markAt(data, at, isLast);
        if (length === undefined) break;
        if (length > 0) return this.#ended(data.subarray(skipped, at), skipped, length);
      }
      const found = data.indexOf(mark, at);
      const rest = found === -1 ? endOfRows(data, at) : found + 1;
      if (rest > at) this.#atLineStart = data[rest - 1] === byte.newline;
      else if (found === -1) break;
      at = rest;
      if (found === -1 && (isLast || !this.#atLineStart || at === data.length)) break;
    }
    const bytes = data.subarray(skipped, at);
    return { skipped, bytes, rows: countLines(bytes), hasEnded: false, mark: 0 };
  }

  #ended(bytes: Buffer, skipped: number, length: number): Taken {
    return { skipped, bytes, rows: countLines(bytes), hasEnded: true, mark: length };
  }

  #skipHead(data: Buffer): number {
    const found = data.indexOf(byte.newline);
    if (found === -1) return data.length;
    this.#isHead = false;
    this.#atLineStart = true;
    return found + 1;
  }
}

/** Length of the mark's line at `at`; 0 when there is another line, undefined while unknown. */
function markAt(data: Buffer, at: number, isLast: boolean): number | undefined {
  const line = data.toString("latin1", at, at + 4);
  if (line.startsWith("\\.\n")) return 3;
  if (line === "\\.\r\n") return 4;
  if (isLast) return line === "\\." || line === "\\.\r" ? line.length : 0;
  return /^(\\(\.\r?)?)?$/.test(line) ? undefined : 0;
}

/** All but what may be the beginning of a mark. */
function endOfRows(data: Buffer, at: number): number {
  const tail = data.toString("latin1", Math.max(at, data.length - 2));
  return tail.endsWith("\n\\") ? data.length - 1 : data.length;
}

export function countLines(bytes: Uint8Array): number {
  let lines = 0;
  for (let at = bytes.indexOf(0x0a); at !== -1; at = bytes.indexOf(0x0a, at + 1)) lines++;
  return lines;
}
