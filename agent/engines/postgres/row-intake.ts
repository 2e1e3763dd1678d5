import type { Framing, RowSink } from "../../pipeline/row-sink.ts";

/** Brings a stream of protocol messages into a sink, without a copy where the socket allows it. */
export class RowIntake {
  readonly #sink: RowSink;
  readonly #framing: Framing;
  /** Bytes at the start of the sink's input: the cut header of the next message. */
  #rest = 0;

  constructor(sink: RowSink, framing: Framing) {
    this.#sink = sink;
    this.#framing = framing;
  }

  get full(): boolean {
    return this.#sink.full;
  }

  drained(options: { signal: AbortSignal }): Promise<void> {
    return this.#sink.drained(options);
  }

  /** Where the next bytes are best received. */
  get room(): Uint8Array {
    return this.#sink.input.subarray(this.#rest);
  }

  /** Takes at most `room.length` bytes; gives back those from a message on that is no row. */
  take(bytes: Uint8Array): Uint8Array | undefined {
    const { input } = this.#sink;
    const isThere =
      bytes.buffer === input.buffer && bytes.byteOffset === input.byteOffset + this.#rest;
    if (!isThere) input.set(bytes, this.#rest);
    const end = this.#rest + bytes.length;
    const { kind, at } = this.#sink.scan(this.#framing, 0, end);
    this.#rest = kind === "taken" ? end - at : 0;
    if (kind === "other-message") return input.slice(at, end);
    input.copyWithin(0, at, end);
    return undefined;
  }
}
