/** Messages of the protocol, version 3.0. Manual, "Message Formats". */
import { DbctlError } from "../../../core/errors.ts";
import { decodeText, encodeText } from "./text.ts";

export interface Message {
  /** The type byte as a character. */
  type: string;
  body: Buffer;
}

/** A message to the server; strings get their closing zero. */
export function encodeMessage(type: string, ...fields: (string | Uint8Array)[]): Buffer {
  const bytes = fields.map((field) =>
    typeof field === "string" ? Buffer.concat([encodeText(field), Buffer.of(0)]) : field,
  );
  const head = Buffer.alloc(type.length + 4);
  head.write(type, "latin1");
  const length = 4 + bytes.reduce((sum, field) => sum + field.length, 0);
  head.writeUInt32BE(length, type.length);
  return Buffer.concat([head, ...bytes]);
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** Bytes of a message that is no row of a COPY: a value of a catalog is far below. */
const messageLimit = 64 << 20;

/** Cuts bytes into messages. Pure: whatever the borders of what is pushed. */
export class MessageReader {
  #pieces: Buffer[] = [];
  #size = 0;

  /** Bytes not read yet. */
  get size(): number {
    return this.#size;
  }

  /** Copies: the memory may be used again. */
  push(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#pieces.push(Buffer.from(bytes));
    this.#size += bytes.length;
  }

  /** The next whole message, or undefined when it has not come yet. */
  next(): Message | undefined {
    if (this.#size < 5) return undefined;
    const length = this.#first(5).readUInt32BE(1);
    if (length < 4 || length > messageLimit)
      throw violation(`a message of ${length} bytes was announced (limit ${messageLimit})`);
    if (this.#size < 1 + length) return undefined;
    const first = this.#first(1 + length);
    this.#pieces[0] = first.subarray(1 + length);
    this.#size -= 1 + length;
    return { type: first.toString("latin1", 0, 1), body: first.subarray(5, 1 + length) };
  }

  /** Everything that was not read as a message. */
  takeAll(): Buffer {
    const all = Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.#size = 0;
    return all;
  }

  /** The first piece, made so long by joining only as many pieces as that needs. */
  #first(length: number): Buffer {
    let size = 0;
    let count = 0;
    while (size < length) size += this.#pieces[count++]?.length ?? length;
    const joined = count === 1 ? this.#pieces[0] : Buffer.concat(this.#pieces.slice(0, count));
    const first = joined ?? Buffer.alloc(0);
    if (count > 1) this.#pieces.splice(0, count, first);
    return first;
  }
}

/** Reads the fields of a message's body in order; every read is checked against its end. */
export class BodyReader {
  readonly #body: Buffer;
  #at = 0;

  constructor(body: Buffer) {
    this.#body = body;
  }

  get rest(): number {
    return this.#body.length - this.#at;
  }

  uint8(): number {
    return this.bytes(1).readUInt8();
  }

  uint16(): number {
    return this.bytes(2).readUInt16BE();
  }

  int32(): number {
    return this.bytes(4).readInt32BE();
  }

  bytes(length: number): Buffer {
    if (length < 0 || length > this.rest) throw violation("a message is shorter than it says");
    this.#at += length;
    return this.#body.subarray(this.#at - length, this.#at);
  }

  string(): string {
    const end = this.#body.indexOf(0, this.#at);
    if (end === -1) throw violation("a string in a message has no end");
    const text = decodeText(this.#body.subarray(this.#at, end));
    this.#at = end + 1;
    return text;
  }
}

export function violation(what: string): DbctlError {
  return new DbctlError("protocol-violated", `Cannot understand the server: ${what}`, {
    remedy: "Check that a PostgreSQL server listens there, and what stands between it and dbctl",
  });
}
