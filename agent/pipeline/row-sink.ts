/**
 * Where a reader puts its rows. Everything but `drained` is synchronous: rows are framed, hashed,
 * cut into chunks and handed on inside the call (docs/performance.md says why).
 */
export interface RowSink {
  /**
   * Memory to receive into. `scan` reads from here, so a socket that reads straight into it spares
   * a copy. The same memory for the sink's whole life.
   */
  readonly input: Uint8Array;

  /**
   * Takes `input[start, end)` as the next bytes of a stream of messages and keeps what is rows.
   * State is kept between calls: a message may be cut at any byte.
   */
  scan(framing: Framing, start: number, end: number): ScanResult;

  /** Adds one whole row that has no framing. Copies it. */
  pushRow(row: Uint8Array): void;

  /** Whole rows so far. Only grows while a part is read. */
  readonly rows: bigint;

  /** True when no more should be scanned before `drained` resolved. */
  readonly full: boolean;
  drained(options: { signal: AbortSignal }): Promise<void>;
}

/**
 * `postgres-copy`: messages of the PostgreSQL protocol; a CopyData message is one row. The binary
 * format's file header and trailer are left out, so that chunks hold nothing but rows.
 * `mysql-rows`: packets of a text result set; one (possibly split) packet is one row.
 */
export type Framing = "postgres-copy-text" | "postgres-copy-binary" | "mysql-rows";

/**
 * What is before `at` was taken.
 * `taken`: what is between `at` and the end is the cut header of the next message (24 bytes at
 * most); the caller puts it in front of the next bytes.
 * `other-message`: a message that is no row begins at `at`; it is the caller's.
 */
export interface ScanResult {
  kind: "taken" | "other-message";
  at: number;
}
