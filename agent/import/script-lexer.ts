import type { Damage, Place } from "./statement.ts";

/** What a lexer finds in a script, in order. */
export type ScriptEvent =
  | {
      kind: "statement";
      /** Without its delimiter. */
      sql: Buffer;
      place: Place;
      /** How many groups in parentheses follow VALUES: the rows of an INSERT. */
      values: number;
    }
  /** A `COPY … FROM stdin`, whose rows follow until `copy-end`. */
  | { kind: "copy"; sql: Buffer; place: Place }
  | { kind: "rows"; bytes: Buffer; rows: number; place: Place }
  | { kind: "copy-end"; place: Place }
  | { kind: "connect"; database: string; place: Place }
  /** A line comment between statements. */
  | { kind: "comment"; text: string; place: Place }
  /** Something that must not be run, as a phrase; reading goes on. */
  | { kind: "refusal"; what: string; place: Place }
  /** The last event. */
  | { kind: "damage"; damage: Omit<Damage, "lastTable"> };

/** The longest statement: PostgreSQL takes no more (MaxAllocSize), MySQL and MariaDB neither. */
const statementLimit = 1 << 30;
/** A line of a client command, and what is kept of a comment. */
export const lineLimit = 64 << 10;
const commentLimit = 400;
const newline = 0x0a;
const byteOrderMark = Buffer.from("\ufeff");

/**
 * What lexers of all dialects share: they are given bytes, cut anywhere, and give events. Pure. A
 * token that could go on behind the last byte is kept until more comes; nothing else is, but the
 * statement under way. What is pushed must not change afterwards.
 */
export abstract class ScriptLexer {
  protected data: Buffer = Buffer.alloc(0);
  /** Index in `data` of the first byte that was not taken yet. */
  protected at = 0;
  /** No more bytes come after `data`. */
  protected isLast = false;
  protected events: ScriptEvent[] = [];
  readonly #limit: number;
  #start: Place | undefined;
  #from = 0;
  #pieces: Buffer[] = [];
  #size = 0;
  #comment: { text: string; place: Place } | undefined;
  #line = 1;
  #counted = 0;
  #base = 0;
  #isDead = false;
  #isBegun = false;

  constructor({ limit = statementLimit }: { limit?: number } = {}) {
    this.#limit = limit;
  }

  push(chunk: Buffer): ScriptEvent[] {
    const rest = this.data.subarray(this.at);
    this.#base += this.at;
    this.data = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    this.at = 0;
    this.#counted = 0;
    this.#from = 0;
    return this.#scan();
  }

  /** The events of what is left. A statement without its end is damage, never a statement. */
  finish(): ScriptEvent[] {
    this.isLast = true;
    const events = this.push(Buffer.alloc(0));
    if (this.#isDead) return events;
    const open = this.open();
    if (open === undefined) return events;
    const place = this.#start ?? this.place();
    return [...events, { kind: "damage", damage: { kind: "truncated", what: open, place } }];
  }

  /** Takes tokens until none is whole any more. */
  protected abstract scan(): void;

  /** What has not ended, as the beginning of a sentence; undefined between statements. */
  protected open(): string | undefined {
    return this.#start === undefined ? undefined : "the last statement has no end";
  }

  protected get inStatement(): boolean {
    return this.#start !== undefined;
  }

  /** Where `at` is; where the statement began, while there is one. */
  protected get start(): Place {
    return this.#start ?? this.place();
  }

  protected place(): Place {
    this.#countTo(this.at);
    return { line: this.#line, byte: this.#base + this.at };
  }

  /** From `at` on, what is taken belongs to a statement. */
  protected begin(): void {
    if (this.#start !== undefined) return;
    this.#start = this.place();
    this.#from = this.at;
  }

  /** The statement's bytes up to `at`. */
  protected end(): { sql: Buffer; place: Place } | undefined {
    this.#keep();
    if (this.#isDead) return undefined;
    const place = this.start;
    const sql = this.#pieces.length === 1 ? this.#pieces[0] : Buffer.concat(this.#pieces);
    this.forget();
    if (sql === undefined) return undefined;
    if (!sql.includes(0)) return { sql, place };
    this.fail("a statement holds a zero byte", { place });
    return undefined;
  }

  protected forget(): void {
    this.#start = undefined;
    this.#pieces = [];
    this.#size = 0;
  }

  protected fail(
    what: string,
    { kind = "damaged", place = this.place() }: { kind?: Damage["kind"]; place?: Place } = {},
  ): void {
    this.#isDead = true;
    this.forget();
    this.events.push({ kind: "damage", damage: { kind, what, place } });
    this.at = this.data.length;
  }

  protected get isDead(): boolean {
    return this.#isDead;
  }

  /** Whether `at` and the next bytes are in `data`, or will never be. */
  protected has(count: number): boolean {
    return this.isLast || this.at + count <= this.data.length;
  }

  /** Takes a line comment's bytes up to the end of its line; true when that was seen. */
  protected takeLineComment(): boolean {
    const found = this.data.indexOf(newline, this.at);
    const end = found === -1 ? this.data.length : found;
    if (this.#start === undefined) {
      this.#comment ??= { text: "", place: this.place() };
      const room = commentLimit - this.#comment.text.length;
      this.#comment.text += this.data.toString("latin1", this.at, Math.min(end, this.at + room));
    }
    this.at = end;
    if (found === -1 && !this.isLast) return false;
    if (this.#comment !== undefined) {
      const { text, place } = this.#comment;
      this.events.push({ kind: "comment", text: text.trimEnd(), place });
      this.#comment = undefined;
    }
    return true;
  }

  /** The rest of the line from `at`, which is taken; undefined until all of it is there. */
  protected takeLine(): string | undefined {
    const found = this.data.indexOf(newline, this.at);
    const end = found === -1 ? this.data.length : found;
    if (end - this.at > lineLimit) {
      this.fail(`a line with a client command is longer than ${lineLimit} bytes`);
      return undefined;
    }
    if (found === -1 && !this.isLast) return undefined;
    const line = this.data.toString("utf8", this.at, end);
    this.at = found === -1 ? end : end + 1;
    return line.trimEnd();
  }

  #scan(): ScriptEvent[] {
    this.events = [];
    if (!this.#isBegun && !this.#passMark()) return [];
    if (this.#isDead) this.at = this.data.length;
    else this.scan();
    if (!this.#isDead) this.#keep();
    this.#countTo(this.at);
    return this.events;
  }

  /** A mark of UTF-8 may stand before everything; false while that cannot be told. */
  #passMark(): boolean {
    if (!this.has(byteOrderMark.length)) return false;
    this.#isBegun = true;
    if (byteOrderMark.equals(this.data.subarray(0, byteOrderMark.length)))
      this.at = byteOrderMark.length;
    return true;
  }

  /** Sets the statement's bytes up to `at` aside. */
  #keep(): void {
    if (this.#start === undefined || this.at <= this.#from) return;
    this.#pieces.push(this.data.subarray(this.#from, this.at));
    this.#size += this.at - this.#from;
    this.#from = this.at;
    if (this.#size > this.#limit)
      this.fail(`a statement is longer than ${this.#limit} bytes`, { place: this.#start });
  }

  #countTo(index: number): void {
    if (index <= this.#counted) return;
    const piece = this.data.subarray(this.#counted, index);
    for (let at = piece.indexOf(newline); at !== -1; at = piece.indexOf(newline, at + 1))
      this.#line++;
    this.#counted = index;
  }
}
