import { setTimeout as sleep } from "node:timers/promises";
import { DbctlError } from "../../../core/errors.ts";
import type { Secret } from "../../../core/secret.ts";
import type { RowSink } from "../../pipeline/row-sink.ts";
import { decodeText, type Outcome, parseOutcome, parseRefusal } from "./answers.ts";
import { FieldReader } from "./field-reader.ts";
import type { Greeting } from "./handshake.ts";
import { logIn } from "./log-in.ts";
import { errnoOf, protocolViolated } from "./server-error.ts";
import type { MysqlTarget } from "./target.ts";
import { Wire } from "./wire.ts";

/** Who connects to where. */
export interface Login {
  target: MysqlTarget;
  password: Secret | undefined;
}

export interface SessionOptions {
  signal: AbortSignal;
  /** The database to use; null for none. The target's by default. */
  database?: string | null;
  /** Whether LOAD DATA LOCAL may be used on this session. */
  localFiles?: boolean;
}

/** A row of a text result: values by column name. */
export type Row = Record<string, string | null>;

interface Statement {
  signal: AbortSignal;
  /** Completes "Cannot …" when the server refuses. */
  act?: string;
}

type ReadAnswer<T> = (first: Buffer, act: string) => Promise<T>;

/** The metadata of a database is smaller; a server that sends more is not believed. */
const resultLimit = 256 << 20;
const connectMs = 15_000;
const killMs = 5_000;
const comQuit = 0x01;
const comQuery = 0x03;

/** Connects and logs in. A server that stays silent for 15 s counts as unreachable. */
export async function openSession(login: Login, options: SessionOptions): Promise<Session> {
  const wire = new Wire(login.target);
  const timeout = AbortSignal.timeout(connectMs);
  const signal = AbortSignal.any([options.signal, timeout]);
  const { localFiles = false, database = login.target.database } = options;
  try {
    const agreed = await wire.within(signal, () => logIn(wire, login, { database, localFiles }));
    return new Session(wire, login, agreed);
  } catch (reason) {
    wire.destroy(reason);
    if (reason !== timeout.reason) throw reason;
    throw new DbctlError("engine-unreachable", "Cannot log in: the server stays silent", {
      remedy: "Check that a MySQL or MariaDB server answers there",
      retryable: true,
      cause: reason,
    });
  }
}

/** One connection that is logged in; statements run one after the other. */
export class Session implements AsyncDisposable {
  readonly greeting: Greeting;
  readonly #wire: Wire;
  readonly #login: Login;
  readonly #deprecateEof: boolean;
  #busy = false;
  #last: Promise<unknown> = Promise.resolve();

  constructor(wire: Wire, login: Login, agreed: { greeting: Greeting; deprecateEof: boolean }) {
    this.greeting = agreed.greeting;
    this.#wire = wire;
    this.#login = login;
    this.#deprecateEof = agreed.deprecateEof;
  }

  /** False once the connection is gone. */
  get usable(): boolean {
    return !this.#wire.failed;
  }

  /** Runs a statement that gives rows; what is no UTF-8 is an error. */
  async query(sql: string, options: Statement): Promise<Row[]> {
    const { columns, rows } = await this.queryRaw(sql, options);
    const { act = "run a statement" } = options;
    return rows.map((row) =>
      Object.fromEntries(columns.map((name, n) => [name, decodeText(row[n] ?? null, act)])),
    );
  }

  /** The same with values as the server sent them. */
  queryRaw(
    sql: string,
    options: Statement,
  ): Promise<{ columns: string[]; rows: (Buffer | null)[][] }> {
    return this.#run(sql, options, async (first, act) => {
      const columns = await this.#readColumns(first);
      const rows: (Buffer | null)[][] = [];
      let bytes = 0;
      for (;;) {
        const { payload } = await this.#wire.receive();
        if (payload[0] === 0xff) throw parseRefusal(payload, act);
        if (payload[0] === 0xfe && payload.length < 0xffffff) return { columns, rows };
        bytes += payload.length;
        if (bytes > resultLimit) throw this.#violated("a result is too large");
        const fields = new FieldReader(payload);
        rows.push(columns.map(() => fields.value()));
        if (!fields.atEnd) throw this.#violated("a row has more values than columns");
      }
    });
  }

  /** Runs a statement that gives no rows; rows that come nevertheless (DO, SELECT) are an error. */
  execute(sql: string, options: Statement): Promise<Outcome> {
    return this.#run(sql, options, (first) => {
      if (first[0] !== 0x00) throw this.#violated("rows came where none were asked for");
      return Promise.resolve(parseOutcome(first));
    });
  }

  /** Runs a statement as bytes, whether it gives rows, which are dropped, or not. */
  run(sql: Uint8Array, options: Statement): Promise<Outcome> {
    return this.#run(sql, options, async (first, act) => {
      if (first[0] === 0x00) return parseOutcome(first);
      await this.#readColumns(first);
      for (;;) {
        const { payload } = await this.#wire.receive();
        if (payload[0] === 0xff) throw parseRefusal(payload, act);
        if (payload[0] !== 0xfe || payload.length >= 0xffffff) continue;
        return { affectedRows: 0, warnings: this.#parseEnd(payload), info: "" };
      }
    });
  }

  /** Sends the rows of a SELECT to the sink; resolves with the count of warnings. */
  streamRows(
    sql: string,
    { sink, columns, ...options }: Statement & { sink: RowSink; columns: number },
  ): Promise<number> {
    return this.#run(sql, options, async (first, act) => {
      const names = await this.#readColumns(first);
      if (names.length !== columns) throw this.#violated("it sent another number of columns");
      await this.#wire.pumpRows(sink, options);
      const { payload } = await this.#wire.receive();
      if (payload[0] === 0xff) throw parseRefusal(payload, act);
      return this.#parseEnd(payload);
    });
  }

  /** Runs a LOAD DATA LOCAL statement and answers its one request for a file with the body. */
  loadLocal(
    sql: string,
    { file, body, ...options }: Statement & { file: string; body: AsyncIterable<Uint8Array> },
  ): Promise<Outcome> {
    return this.#run(sql, options, async (first, act) => {
      if (first[0] !== 0xfb) throw this.#violated("it did not ask for the data to load");
      if (first.subarray(1).toString("utf8") !== file)
        throw this.#violated("it asked for a file that was not offered");
      let sequence = 2;
      for await (const piece of body) {
        if (piece.length === 0) continue;
        if (piece.length >= 0xffffff) throw new RangeError("Cannot send data: piece too large");
        await this.#wire.send(piece, sequence++);
      }
      await this.#wire.send(Buffer.alloc(0), sequence);
      const { payload } = await this.#wire.receive();
      if (payload[0] === 0xff) throw parseRefusal(payload, act);
      return parseOutcome(payload);
    });
  }

  /** Says goodbye; a session that we cut off in the middle of a statement is killed. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#busy) this.#wire.destroy(new Error("the session was disposed"));
    await this.#last;
    // The server has ended it. Its number may be another client's already: never kill by it.
    if (this.#wire.lost) return;
    if (this.#busy) await this.#kill();
    else if (!this.#wire.failed) await this.#quit();
    this.#wire.destroy(new Error("the session is over"));
  }

  async #quit(): Promise<void> {
    try {
      await this.#wire.send(Buffer.from([comQuit]), 0);
      await this.#wire.end();
    } catch (reason) {
      if (!this.#wire.lost) throw reason;
    }
  }

  /** Runs a statement after those that were begun before it. */
  #run<T>(sql: string | Uint8Array, statement: Statement, read: ReadAnswer<T>): Promise<T> {
    const turn = this.#last.then(() => this.#runNow(sql, statement, read));
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  #runNow<T>(
    sql: string | Uint8Array,
    { signal, act = "run a statement" }: Statement,
    read: ReadAnswer<T>,
  ): Promise<T> {
    return this.#wire.within(signal, async () => {
      this.#busy = true;
      try {
        const bytes = typeof sql === "string" ? Buffer.from(sql) : sql;
        await this.#wire.send(Buffer.concat([Buffer.from([comQuery]), bytes]), 0);
        const { payload } = await this.#wire.receive();
        if (payload[0] === 0xff) throw parseRefusal(payload, act);
        const result = await read(payload, act);
        this.#busy = false;
        return result;
      } catch (reason) {
        if (errnoOf(reason) !== undefined) this.#busy = false;
        else this.#wire.destroy(reason);
        throw reason;
      }
    });
  }

  async #readColumns(first: Buffer): Promise<string[]> {
    const count = first.length === 0 ? 0 : new FieldReader(first).length();
    if (count === 0) throw this.#violated("it sent no rows where rows were asked for");
    if (count > 4096) throw this.#violated(`it announced ${count} columns`);
    const names: string[] = [];
    for (let n = 0; n < count; n++) {
      const fields = new FieldReader((await this.#wire.receive()).payload);
      for (let skipped = 0; skipped < 4; skipped++) fields.value();
      names.push((fields.value() ?? Buffer.alloc(0)).toString("utf8"));
    }
    if (!this.#deprecateEof) this.#parseEnd((await this.#wire.receive()).payload);
    return names;
  }

  /** The packet after the last row: OK in its new form, or EOF. Gives the count of warnings. */
  #parseEnd(payload: Buffer): number {
    const fields = new FieldReader(payload);
    if (fields.uint(1) !== 0xfe) throw this.#violated("rows did not end as they should");
    if (payload.length === 5) return fields.uint(2);
    fields.length();
    fields.length();
    fields.uint(2);
    return fields.uint(2);
  }

  #violated(what: string): DbctlError {
    return protocolViolated(what);
  }

  /** Ends the server's side of this session, which may still be working, from another one. */
  async #kill(): Promise<void> {
    const { threadId } = this.greeting;
    const signal = AbortSignal.timeout(killMs);
    const threads = `SELECT 1 FROM information_schema.PROCESSLIST WHERE ID = ${threadId}`;
    try {
      await using other = await openSession(this.#login, { signal, database: null });
      await other.execute(`KILL ${threadId}`, { signal });
      while ((await other.query(threads, { signal })).length > 0)
        await sleep(10, undefined, { signal });
    } catch (reason) {
      // It is gone already (1094), or will be when the server next looks at its connection: this
      // only makes it sooner, and must not hide why the session was cut off.
      if (!(reason instanceof DbctlError) && !signal.aborted) throw reason;
    }
  }
}
