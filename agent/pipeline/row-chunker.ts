import { DbctlError } from "../../core/errors.ts";
import { rowScannerWasm } from "./gen/row-scanner-wasm.ts";
import type { Framing, RowSink, ScanResult } from "./row-sink.ts";

/** What a part's rows add up to. Sums of several parts of a table may be added. */
export interface RowSums {
  rows: bigint;
  /** Bytes of the rows, without the protocol's headers. */
  bytes: bigint;
  /**
   * Row-set digest: the sum modulo 2^64, per half, of every row's SipHash-1-3-128 under the epoch's
   * digest key. The order of rows does not matter.
   */
  digest: readonly [bigint, bigint];
}

export interface ChunkTarget {
  /** Takes a chunk before it returns; the memory is used again right after. */
  add(chunk: Uint8Array): void;
  readonly full: boolean;
  drained(options: { signal: AbortSignal }): Promise<void>;
}

/** A target for those who only want the sums. */
export const noChunks: ChunkTarget = {
  add: () => {},
  full: false,
  drained: () => Promise.resolve(),
};

interface Scanner {
  memory: WebAssembly.Memory;
  INPUT: WebAssembly.Global;
  INPUT_BYTES: WebAssembly.Global;
  setKey(low: bigint, high: bigint): void;
  beginPart(): void;
  endPart(framing: number): number;
  scan(framing: number, start: number, end: number): number;
  pushRow(length: number, last: number): void;
  stopped(): number;
  rowCount(): bigint;
  byteCount(): bigint;
  digestLow(): bigint;
  digestHigh(): bigint;
}

const framings: Record<Framing, number> = {
  "postgres-copy-text": 0,
  "postgres-copy-binary": 1,
  "mysql-rows": 2,
};
const [taken, otherMessage] = [0, 1];

let compiled: WebAssembly.Module | undefined;

/**
 * Cuts rows into chunks by their content and sums them up: one per reader, used part after part.
 * All in WebAssembly memory; chunks are views of it.
 */
export class RowChunker implements RowSink {
  readonly input: Uint8Array;
  readonly #scanner: Scanner;
  readonly #target: ChunkTarget;
  #framing: Framing | undefined;

  /** `rowKey`: 16 bytes; the same key cuts the same rows at the same borders. */
  constructor(target: ChunkTarget, rowKey: Uint8Array) {
    this.#target = target;
    compiled ??= new WebAssembly.Module(Buffer.from(rowScannerWasm, "base64"));
    const instance = new WebAssembly.Instance(compiled, {
      env: { abort: () => undefined },
      sink: {
        chunk: (start: number, length: number) =>
          target.add(new Uint8Array(this.#scanner.memory.buffer, start, length)),
      },
    });
    this.#scanner = instance.exports as unknown as Scanner;
    const { memory, INPUT, INPUT_BYTES } = this.#scanner;
    this.input = new Uint8Array(memory.buffer, INPUT.value, INPUT_BYTES.value);
    const key = new DataView(rowKey.buffer, rowKey.byteOffset, 16);
    this.#scanner.setKey(key.getBigUint64(0, true), key.getBigUint64(8, true));
  }

  get rows(): bigint {
    return unsigned(this.#scanner.rowCount());
  }

  get full(): boolean {
    return this.#target.full;
  }

  drained(options: { signal: AbortSignal }): Promise<void> {
    return this.#target.drained(options);
  }

  beginPart(): void {
    this.#framing = undefined;
    this.#scanner.beginPart();
  }

  scan(framing: Framing, start: number, end: number): ScanResult {
    this.#framing = framing;
    const result = this.#scanner.scan(framings[framing], start, end);
    const at = this.#scanner.stopped();
    if (result === taken) return { kind: "taken", at };
    if (result === otherMessage) return { kind: "other-message", at };
    throw malformed();
  }

  pushRow(row: Uint8Array): void {
    this.pushPiece(row, true);
  }

  /** Adds a piece of a row that has no framing; `last` ends the row. Copies it. */
  pushPiece(bytes: Uint8Array, last: boolean): void {
    let at = 0;
    do {
      const piece = bytes.subarray(at, at + this.input.length);
      this.input.set(piece);
      at += piece.length;
      this.#scanner.pushRow(piece.length, last && at === bytes.length ? 1 : 0);
    } while (at < bytes.length);
  }

  /** Hands on the part's last chunk. Throws when the part did not end where a row ends. */
  endPart(): RowSums {
    const scanner = this.#scanner;
    const framing = this.#framing === undefined ? 0 : framings[this.#framing];
    if (scanner.endPart(framing) === 0) throw malformed();
    return {
      rows: this.rows,
      bytes: unsigned(scanner.byteCount()),
      digest: [unsigned(scanner.digestLow()), unsigned(scanner.digestHigh())],
    };
  }
}

/** WebAssembly gives 64 bits as a signed number. */
function unsigned(value: bigint): bigint {
  return BigInt.asUintN(64, value);
}

export function addSums(a: RowSums, b: RowSums): RowSums {
  const add = (x: bigint, y: bigint) => BigInt.asUintN(64, x + y);
  return {
    rows: a.rows + b.rows,
    bytes: a.bytes + b.bytes,
    digest: [add(a.digest[0], b.digest[0]), add(a.digest[1], b.digest[1])],
  };
}

export const emptySums: RowSums = { rows: 0n, bytes: 0n, digest: [0n, 0n] };

function malformed(): DbctlError {
  return new DbctlError(
    "protocol-violated",
    "Cannot read rows: the server's messages are malformed, or the rows ended too early",
    { remedy: "Check what stands between dbctl and the server (proxy, pooler), then try again" },
  );
}
