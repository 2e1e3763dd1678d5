import { DbctlError } from "../../../core/errors.ts";
import type { Secret } from "../../../core/secret.ts";
import { cancelStatement } from "./cancel-statement.ts";
import { BodyReader, encodeMessage, type Message, violation } from "./messages.ts";
import { sqlstateOf, translateServerError } from "./server-error.ts";
import { setUpSession } from "./session-settings.ts";
import { type Greeting, noteParameter, startUp } from "./start-up.ts";
import { describeTarget, type PostgresTarget } from "./target.ts";
import { decodeText } from "./text.ts";
import { Wire } from "./wire.ts";

/** A row of a result: the text of each value by the column's name. */
export type Row = Record<string, string | null>;

export interface StatementOptions {
  /** What is being done, for an error: `Cannot <doing>: …`; asked when it happens. */
  doing?: string | (() => string);
  /** Ends the whole session, as a statement that hangs cannot be taken back. */
  signal?: AbortSignal;
}

export interface OpenOptions {
  signal: AbortSignal;
  password?: Secret | undefined;
}

/** Milliseconds until a server that does not answer counts as unreachable. */
const openLimitMs = 30_000;
/** Milliseconds for a goodbye. */
const goodbyeLimitMs = 2_000;
/** Bytes of one result: catalogs are far below. */
const resultLimit = 256 << 20;

/**
 * Logs in. The session obeys the signal for its whole life: when it aborts, the connection is
 * destroyed, and a statement under way is cancelled on the server.
 */
export async function openSession(
  target: PostgresTarget,
  { signal, password }: OpenOptions,
): Promise<PostgresSession> {
  const limit = AbortSignal.timeout(openLimitMs);
  const either = AbortSignal.any([signal, limit]);
  let wire: Wire | undefined;
  try {
    const opened = (wire = await Wire.open(target, { signal: either }));
    using _ = onAbort(either, () => opened.break(either.reason));
    const greeting = await startUp({ wire, target, password });
    const session = new PostgresSession({ target, wire, greeting, signal });
    await setUpSession(session);
    return session;
  } catch (error) {
    wire?.break(error);
    signal.throwIfAborted();
    throw limit.aborted ? silent(target) : error;
  }
}

/** One session: statements run one after the other, in the order they were given. */
export class PostgresSession implements AsyncDisposable {
  readonly target: PostgresTarget;
  readonly pid: number;
  readonly #wire: Wire;
  readonly #greeting: Greeting;
  readonly #signal: AbortSignal;
  readonly #obeyed: Disposable;
  #turn: Promise<unknown> = Promise.resolve();
  #isBusy = false;
  #cancelled: Promise<void> | undefined;

  constructor(parts: {
    target: PostgresTarget;
    wire: Wire;
    greeting: Greeting;
    signal: AbortSignal;
  }) {
    this.target = parts.target;
    this.pid = parts.greeting.pid;
    this.#wire = parts.wire;
    this.#greeting = parts.greeting;
    this.#signal = parts.signal;
    this.#obeyed = onAbort(parts.signal, () => this.#abort(parts.signal.reason));
  }

  /** As the server says it: `15.8 (Debian …)`. */
  get version(): string {
    return this.parameter("server_version");
  }

  /** `10` to `18`, … */
  get major(): number {
    return Number.parseInt(this.version, 10);
  }

  /** The database's own encoding: `UTF8`, `LATIN1`, `SQL_ASCII`, … */
  get encoding(): string {
    return this.parameter("server_encoding");
  }

  /** A setting that the server reports by itself. */
  parameter(name: string): string {
    const value = this.#greeting.parameters.get(name);
    if (value === undefined) throw violation(`it does not report ${name}`);
    return value;
  }

  /** Runs statements by the simple protocol; gives the rows of the last that has rows. */
  query(sql: string, options: StatementOptions = {}): Promise<Row[]> {
    return this.exchange(options, async ({ wire, readMessage }) => {
      await wire.write(encodeMessage("Q", sql));
      const result = new Result();
      for (;;) {
        const message = await readMessage();
        if (message.type === "Z") return result.rows;
        result.take(message);
      }
    });
  }

  async execute(sql: string, options: StatementOptions = {}): Promise<void> {
    await this.query(sql, options);
  }

  /**
   * Has the wire to itself from a request to the ReadyForQuery that ends it. An error of the server
   * is thrown once the server is ready again.
   */
  async exchange<T>(options: StatementOptions, talk: (turn: Turn) => Promise<T>): Promise<T> {
    const before = this.#turn;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#turn = promise;
    await before;
    const signal = options.signal ?? this.#signal;
    using _ = onAbort(signal, () => this.#abort(signal.reason));
    this.#isBusy = true;
    try {
      const { doing = `query ${describeTarget(this.target)}` } = options;
      const readOne = () => this.#readOne(typeof doing === "string" ? doing : doing());
      return await talk({ wire: this.#wire, signal, readOne, readMessage: () => skip(readOne) });
    } catch (error) {
      // Only after an answer of the server do both sides agree on where they are.
      if (sqlstateOf(error) === undefined) this.#abort(error);
      throw error;
    } finally {
      this.#isBusy = false;
      resolve();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#obeyed[Symbol.dispose]();
    if (this.#isBusy) this.#abort(disposed(this.target));
    await this.#cancelled;
    await this.#wire.end(encodeMessage("X"), goodbyeLimitMs);
  }

  async #readOne(doing: string): Promise<Message | undefined> {
    const message = await this.#wire.readMessage();
    if (message.type === "E") throw await this.#finishFailed(message, doing);
    if (message.type === "S") noteParameter(this.#greeting.parameters, message);
    return ["S", "N", "A"].includes(message.type) ? undefined : message;
  }

  /** Reads on until the server is ready; one that closes the connection instead is broken. */
  async #finishFailed({ body }: Message, doing: string): Promise<DbctlError> {
    const error = translateServerError(body, doing);
    try {
      while ((await this.#wire.readMessage()).type !== "Z");
    } catch (reason) {
      // A fatal error is the server's last word; any other reason is more than a closed connection.
      const isClosed = reason instanceof DbctlError && reason.code === "engine-unreachable";
      if (!isClosed) throw reason;
    }
    return error;
  }

  /** The server notices a lost client only when it sends; a statement must be cancelled. */
  #abort(reason: unknown): void {
    const { cancelKey } = this.#greeting;
    if (this.#isBusy && !this.#wire.isBroken && cancelKey !== undefined)
      this.#cancelled ??= cancelStatement(this.target, { cancelKey, limitMs: goodbyeLimitMs });
    this.#wire.break(reason);
  }
}

export interface Turn {
  wire: Wire;
  signal: AbortSignal;
  /** The next message; undefined for one that may come at any time and is dealt with. */
  readOne: () => Promise<Message | undefined>;
  /** The next message that belongs to the exchange. */
  readMessage: () => Promise<Message>;
}

async function skip(readOne: Turn["readOne"]): Promise<Message> {
  for (;;) {
    const message = await readOne();
    if (message !== undefined) return message;
  }
}

/** Collects what a simple query answers. Manual, "Simple Query". */
class Result {
  rows: Row[] = [];
  #names: string[] = [];
  #size = 0;

  take({ type, body }: Message): void {
    const reader = new BodyReader(body);
    this.#size += body.length;
    if (this.#size > resultLimit) throw violation(`a result is longer than ${resultLimit} bytes`);
    if (type === "T") {
      this.rows = [];
      this.#names = Array.from({ length: reader.uint16() }, () => {
        const name = reader.string();
        reader.bytes(18);
        return name;
      });
    } else if (type === "D") this.#takeRow(reader);
    else if (type !== "C" && type !== "I")
      throw violation(`a message "${type}" came inside the result of a query`);
  }

  #takeRow(reader: BodyReader): void {
    if (reader.uint16() !== this.#names.length) throw violation("a row has not the columns told");
    const values = this.#names.map((name): [string, string | null] => {
      const length = reader.int32();
      return [name, length === -1 ? null : decodeText(reader.bytes(length))];
    });
    this.rows.push(Object.fromEntries(values));
  }
}

function onAbort(signal: AbortSignal, act: () => void): Disposable {
  if (signal.aborted) act();
  else signal.addEventListener("abort", act, { once: true });
  return { [Symbol.dispose]: () => signal.removeEventListener("abort", act) };
}

function silent(target: PostgresTarget): DbctlError {
  return new DbctlError(
    "engine-unreachable",
    `Cannot log in to ${describeTarget(target)}: no answer within ${openLimitMs / 1000} s`,
    { remedy: "Check that host and port are those of a PostgreSQL server", retryable: true },
  );
}

function disposed(target: PostgresTarget): DbctlError {
  return new DbctlError(
    "interrupted",
    `Cannot go on with ${describeTarget(target)}: the session was closed`,
    { remedy: "Start it again" },
  );
}
