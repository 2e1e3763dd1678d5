/** Bytes that grow; the memory is used again after `take`. */
export class ByteBuffer {
  #bytes = Buffer.allocUnsafe(1 << 16);
  #end = 0;

  get length(): number {
    return this.#end;
  }

  /** Room for `count` more bytes: the memory and where to write; `advance` tells how many were. */
  room(count: number): { bytes: Buffer; at: number } {
    const needed = this.#end + count;
    if (needed > this.#bytes.length) {
      const grown = Buffer.allocUnsafe(Math.max(needed, this.#bytes.length * 2));
      this.#bytes.copy(grown, 0, 0, this.#end);
      this.#bytes = grown;
    }
    return { bytes: this.#bytes, at: this.#end };
  }

  advance(count: number): void {
    this.#end += count;
  }

  add(piece: Uint8Array): void {
    const { bytes, at } = this.room(piece.length);
    bytes.set(piece, at);
    this.#end += piece.length;
  }

  /** Characters up to U+00FF, a byte each. */
  addLatin1(text: string): void {
    const { bytes, at } = this.room(text.length);
    this.#end += bytes.write(text, at, "latin1");
  }

  addByte(byte: number): void {
    const { bytes, at } = this.room(1);
    bytes[at] = byte;
    this.#end++;
  }

  /** What was added; it may be used until the next call of any method. */
  take(): Buffer {
    const taken = this.#bytes.subarray(0, this.#end);
    this.#end = 0;
    return taken;
  }
}

/**
 * Copies bytes; those with an escape of their own become `\` and that escape. `escapes` holds 256
 * entries, 0 for bytes that stand for themselves.
 */
export function addEscaped(out: ByteBuffer, piece: Uint8Array, escapes: Uint8Array): void {
  const { bytes, at } = out.room(piece.length * 2);
  let end = at;
  for (let n = 0; n < piece.length; n++) {
    const byte = piece[n] ?? 0;
    const escape = escapes[byte] ?? 0;
    if (escape === 0) bytes[end++] = byte;
    else {
      bytes[end++] = 0x5c;
      bytes[end++] = escape;
    }
  }
  out.advance(end - at);
}

/** A table for `addEscaped`: from pairs of a character and what stands behind its backslash. */
export function escapeTable(pairs: Record<string, string>): Uint8Array {
  const table = new Uint8Array(256);
  for (const [character, escape] of Object.entries(pairs))
    table[character.charCodeAt(0)] = escape.charCodeAt(0);
  return table;
}
