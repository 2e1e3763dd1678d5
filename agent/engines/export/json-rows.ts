import type { ByteBuffer } from "./byte-buffer.ts";
import type { CellColumn, PartOfValue, RowFormatter } from "./cells.ts";

const quote = 0x22;
/** By byte, what a JSON string has instead of it. */
const escapes: (string | undefined)[] = Array.from({ length: 0x20 }, (_, byte) =>
  JSON.stringify(String.fromCharCode(byte)).slice(1, -1),
);
escapes[quote] = String.raw`\"`;
escapes[0x5c] = String.raw`\\`;

/**
 * One JSON object per line, keys in the order of the columns. What a JSON number does not hold
 * exactly (integers beyond 2^53, NaN, infinities) is a string; bytes are base64; a column of JSON is
 * taken over as it is, so that its `null` looks like NULL.
 */
export class JsonRows implements RowFormatter {
  readonly #out: ByteBuffer;
  readonly #columns: CellColumn[];
  readonly #keys: Buffer[];
  /** Bytes of a value that wait for two more: base64 is made of groups of three. */
  #rest: Buffer = Buffer.alloc(0);

  constructor(out: ByteBuffer, columns: CellColumn[]) {
    this.#out = out;
    this.#columns = columns;
    this.#keys = columns.map(({ name }, n) =>
      Buffer.from(`${n === 0 ? "{" : ","}${JSON.stringify(name)}:`),
    );
  }

  null(column: number): void {
    this.#key(column);
    this.#out.addLatin1("null");
  }

  text(column: number, piece: Uint8Array, part: PartOfValue): void {
    if (part.first) this.#key(column);
    const json = this.#columns[column]?.json ?? "string";
    if (json === "json") this.#document(piece);
    else if (json === "string" || !part.first || !part.last) this.#string(piece, part);
    else this.#scalar(piece, json);
  }

  bytes(column: number, piece: Uint8Array, { first, last }: PartOfValue): void {
    if (first) {
      this.#key(column);
      this.#out.addByte(quote);
      this.#rest = Buffer.alloc(0);
    }
    const all = this.#rest.length === 0 ? Buffer.from(piece) : Buffer.concat([this.#rest, piece]);
    const end = last ? all.length : all.length - (all.length % 3);
    this.#out.addLatin1(all.toString("base64", 0, end));
    this.#rest = all.subarray(end);
    if (last) this.#out.addByte(quote);
  }

  endRow(): void {
    this.#out.addLatin1(this.#columns.length === 0 ? "{}\n" : "}\n");
  }

  #key(column: number): void {
    this.#out.add(this.#keys[column] ?? Buffer.alloc(0));
  }

  #scalar(piece: Uint8Array, json: "integer" | "float" | "boolean"): void {
    const text = Buffer.from(piece).toString("latin1");
    const exact = json === "boolean" ? booleans[text] : exactNumber(text, json);
    if (exact === undefined) this.#string(piece, { first: true, last: true });
    else this.#out.addLatin1(exact);
  }

  #string(piece: Uint8Array, { first, last }: PartOfValue): void {
    if (first) this.#out.addByte(quote);
    const { bytes, at } = this.#out.room(piece.length * 6);
    let end = at;
    for (let n = 0; n < piece.length; n++) {
      const byte = piece[n] ?? 0;
      const escape = byte <= 0x5c ? escapes[byte] : undefined;
      if (escape === undefined) bytes[end++] = byte;
      else end += bytes.write(escape, end, "latin1");
    }
    this.#out.advance(end - at);
    if (last) this.#out.addByte(quote);
  }

  /** Between the tokens of a JSON text stands white space at most; a line's end would end ours. */
  #document(piece: Uint8Array): void {
    const { bytes, at } = this.#out.room(piece.length);
    for (let n = 0; n < piece.length; n++) {
      const byte = piece[n] ?? 0;
      bytes[at + n] = byte < 0x20 ? 0x20 : byte;
    }
    this.#out.advance(piece.length);
  }
}

const booleans: Record<string, string> = { t: "true", f: "false" };
const jsonNumber = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/;

/** The number as JSON, or undefined when a reader that has doubles would not get the same one. */
export function exactNumber(text: string, kind: "integer" | "float"): string | undefined {
  if (!/^[-+0-9.eE]+$/.test(text)) return undefined;
  const number = Number(text);
  if (kind === "integer" ? !Number.isSafeInteger(number) : !Number.isFinite(number))
    return undefined;
  return jsonNumber.test(text) ? text : String(number);
}
