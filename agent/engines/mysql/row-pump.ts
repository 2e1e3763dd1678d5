import type { RowSink } from "../../pipeline/row-sink.ts";

/**
 * Hands the packets of a result set to a sink, whatever their borders. Keeps what the scanner
 * leaves (the cut header of a packet) in front of the next bytes.
 */
export class RowPump {
  readonly sink: RowSink;
  #kept = 0;

  constructor(sink: RowSink) {
    this.sink = sink;
  }

  /** Where the next bytes are best read into: the sink's own memory. */
  get room(): Uint8Array {
    return this.sink.input.subarray(this.#kept);
  }

  /** Whether a buffer is what `room` gave. */
  owns(buffer: Uint8Array): boolean {
    return buffer.buffer === this.sink.input.buffer;
  }

  /** `length` bytes were read into `room`. Gives what follows the rows, once they ended. */
  filled(length: number): Buffer | undefined {
    const { input } = this.sink;
    const end = this.#kept + length;
    const { kind, at } = this.sink.scan("mysql-rows", 0, end);
    if (kind === "other-message") return Buffer.from(input.subarray(at, end));
    input.copyWithin(0, at, end);
    this.#kept = end - at;
    return undefined;
  }

  /** The same for bytes that were read elsewhere. */
  copied(bytes: Uint8Array): Buffer | undefined {
    for (let at = 0; at < bytes.length;) {
      const piece = bytes.subarray(at, at + this.room.length);
      this.room.set(piece);
      at += piece.length;
      const rest = this.filled(piece.length);
      if (rest !== undefined) return Buffer.concat([rest, bytes.subarray(at)]);
    }
    return undefined;
  }
}
