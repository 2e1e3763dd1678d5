const newline = 0x0a;
const backslash = 0x5c;

/** Some rows of a COPY, whole ones. */
export interface RowPiece {
  bytes: AsyncIterable<Uint8Array>;
  /** In memory; else its bytes must be read to their end before the next piece is asked for. */
  isHeld: boolean;
}

/** A row that is longer than so many pieces is passed on while it is read. */
const heldPieces = 4;

/**
 * Cuts the rows of a COPY in text format into pieces of about `size` bytes that end where a row
 * does. A newline after a backslash is a part of a value (manual, COPY, "Text Format").
 */
export async function* cutRows(
  bytes: AsyncIterable<Uint8Array>,
  size: number,
): AsyncGenerator<RowPiece> {
  const source = bytes[Symbol.asyncIterator]();
  let held: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const { value, done } = await source.next();
    if (done === true) break;
    held.push(value);
    length += value.length;
    if (length < size) continue;
    const end = lastRowEnd(value);
    if (end > 0) {
      yield { isHeld: true, bytes: each([...held.slice(0, -1), value.subarray(0, end)]) };
      held = [value.subarray(end)];
    } else if (length >= heldPieces * size) {
      const row = new LongRow(held, source);
      yield { isHeld: false, bytes: row.read() };
      held = [row.rest];
    } else continue;
    length = held[0]?.length ?? 0;
  }
  if (length > 0) yield { isHeld: true, bytes: each(held) };
}

// oxlint-disable-next-line typescript/require-await
async function* each(pieces: Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* pieces;
}

/** A row too long to be held, and what has come behind its end. */
class LongRow {
  rest: Uint8Array = Buffer.alloc(0);
  readonly #begun: Uint8Array[];
  readonly #source: AsyncIterator<Uint8Array>;

  constructor(begun: Uint8Array[], source: AsyncIterator<Uint8Array>) {
    this.#begun = begun;
    this.#source = source;
  }

  async *read(): AsyncGenerator<Uint8Array> {
    for (const piece of this.#begun) yield piece;
    for (;;) {
      const { value, done } = await this.#source.next();
      if (done === true) return;
      const end = lastRowEnd(value);
      yield end === 0 ? value : value.subarray(0, end);
      this.rest = value.subarray(end);
      if (end > 0) return;
    }
  }
}

/**
 * The index behind the last row that surely ends in the bytes; 0 when none does. Backslashes that
 * reach back to the first byte may go on before it, so that what they mean is not known here.
 */
function lastRowEnd(bytes: Uint8Array): number {
  for (let at = bytes.length; at > 0;) {
    const found = bytes.lastIndexOf(newline, at - 1);
    if (found <= 0) return 0;
    let before = found;
    while (before > 0 && bytes[before - 1] === backslash) before--;
    if (before > 0 && (found - before) % 2 === 0) return found + 1;
    at = found;
  }
  return 0;
}
