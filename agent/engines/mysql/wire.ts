import { connect as connectSocket, type Socket } from "node:net";
import { DbctlError, type ErrorCode } from "../../../core/errors.ts";
import type { RowSink } from "../../pipeline/row-sink.ts";
import { type Packet, PacketReader } from "./packet-reader.ts";
import { RowPump } from "./row-pump.ts";
import { protocolViolated } from "./server-error.ts";
import { describeTarget, type MysqlTarget } from "./target.ts";
import { encrypt } from "./tls.ts";

/** Unread bytes that are kept before the socket is paused. */
const readAhead = 1 << 20;
/** Bytes given to a sink before it is asked again whether it is full. */
const pieceBytes = 128 << 10;
const largestPayload = 0xffffff;
/** How long a server may take to close the connection after our goodbye. */
const goodbyeMs = 1000;

/**
 * A connection as packets. Bytes come into memory of our own or, while rows are pumped, straight
 * into the sink's. After the first failure everything rejects with it, and the socket is gone.
 */
export class Wire {
  readonly #target: MysqlTarget;
  readonly #reader = new PacketReader();
  readonly #own = Buffer.alloc(64 << 10);
  readonly #closed = Promise.withResolvers<void>();
  #socket: Socket;
  #arriving: PromiseWithResolvers<void> | undefined;
  #writing: PromiseWithResolvers<void> | undefined;
  #pump: RowPump | undefined;
  #failure: { reason: unknown } | undefined;
  #ending = false;
  #lost = false;

  constructor(target: MysqlTarget) {
    this.#target = target;
    const { at } = target;
    const place = at.kind === "socket" ? { path: at.path } : { host: at.host, port: at.port };
    if (target.tls === "disable") {
      const buffer = () => this.#pump?.room ?? this.#own;
      const callback = (n: number, into: Uint8Array) => this.#received(into.subarray(0, n));
      this.#socket = connectSocket({ ...place, onread: { buffer, callback } });
    } else {
      this.#socket = connectSocket(place);
      this.#listen();
    }
    this.#watch();
  }

  get failed(): boolean {
    return this.#failure !== undefined;
  }

  /** Whether the other side, or the network, has ended the connection. */
  get lost(): boolean {
    return this.#lost;
  }

  /** Runs work on this connection; when the signal aborts, the connection is destroyed. */
  async within<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    const stop = () => this.destroy(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
    try {
      return await work();
    } catch (reason) {
      throw signal.aborted ? signal.reason : reason;
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }

  async receive(limit?: number): Promise<Packet> {
    for (;;) {
      const packet = this.#reader.next(limit);
      if (packet !== undefined) return packet;
      await this.#arrival();
    }
  }

  /** Sends a payload, in pieces when it is large. When it resolves, its memory may be used again. */
  async send(payload: Uint8Array, sequence: number): Promise<void> {
    let next = sequence;
    for (let at = 0; at <= payload.length; at += largestPayload) {
      const piece = payload.subarray(at, at + largestPayload);
      const header = Buffer.alloc(4);
      header.writeUIntLE(piece.length, 0, 3);
      header.writeUInt8(next++ & 0xff, 3);
      this.#assertOpen();
      const written = Promise.withResolvers<void>();
      this.#writing = written;
      this.#socket.cork();
      this.#socket.write(header);
      this.#socket.write(piece, (cause) => {
        if (cause) this.#lose(unreachable(cause, this.#target));
        else written.resolve();
      });
      this.#socket.uncork();
      await written.promise;
    }
  }

  /** Hands packets to the sink until one comes that is no row; that one is for `receive`. */
  async pumpRows(sink: RowSink, { signal }: { signal: AbortSignal }): Promise<void> {
    this.#socket.pause();
    this.#pump = new RowPump(sink);
    let rest = this.#reader.takeRest();
    while (this.#pump !== undefined) {
      if (sink.full) await sink.drained({ signal });
      else if (rest.length === 0) await this.#arrival();
      else {
        const ended = this.#offer(rest.subarray(0, pieceBytes));
        rest = rest.subarray(pieceBytes);
        if (ended) this.#reader.push(rest);
      }
    }
  }

  /** Continues encrypted; the server has been told. */
  async startTls(): Promise<void> {
    this.#socket.removeAllListeners("data");
    if (this.#reader.length > 0) throw protocolViolated("it spoke before TLS was agreed on");
    this.#socket = await encrypt(this.#socket, this.#target);
    this.#listen();
    this.#watch();
  }

  /** Ends the connection politely, after the last packet was sent. */
  async end(): Promise<void> {
    this.#ending = true;
    this.#socket.end();
    this.#socket.resume();
    const impatient = setTimeout(() => this.#socket.destroy(), goodbyeMs);
    await this.#closed.promise;
    clearTimeout(impatient);
  }

  destroy(reason: unknown): void {
    this.#failure ??= { reason };
    this.#socket.destroy();
    this.#arriving?.reject(this.#failure.reason);
    this.#writing?.reject(this.#failure.reason);
    this.#arriving = undefined;
    this.#writing = undefined;
  }

  #lose(reason: DbctlError): void {
    if (this.#failure === undefined) this.#lost = true;
    this.destroy(reason);
  }

  #listen(): void {
    this.#socket.on("data", (bytes: Buffer) => {
      if (!this.#received(bytes)) this.#socket.pause();
    });
  }

  #watch(): void {
    this.#socket.on("error", (cause) => this.#lose(unreachable(cause, this.#target)));
    this.#socket.on("close", () => {
      if (!this.#ending) this.#lose(cutOff(this.#target));
      this.#closed.resolve();
    });
  }

  /** Takes bytes in; false when the socket should pause. */
  #received(bytes: Uint8Array): boolean {
    try {
      if (this.#pump === undefined) this.#reader.push(Buffer.from(bytes));
      else this.#offer(bytes);
    } catch (reason) {
      this.destroy(reason);
      return false;
    }
    const mustWait = this.#pump?.sink.full ?? this.#reader.length > readAhead;
    if (this.#pump === undefined || mustWait) {
      this.#arriving?.resolve();
      this.#arriving = undefined;
    }
    return !mustWait;
  }

  /** Gives bytes to the pump; true when the rows ended, and the rest went to the reader. */
  #offer(bytes: Uint8Array): boolean {
    const pump = this.#pump;
    if (pump === undefined) throw new TypeError("Cannot pump rows: no sink waits for them");
    const rest = pump.owns(bytes) ? pump.filled(bytes.length) : pump.copied(bytes);
    if (rest === undefined) return false;
    this.#pump = undefined;
    this.#reader.push(rest);
    return true;
  }

  #arrival(): Promise<void> {
    this.#assertOpen();
    this.#arriving = Promise.withResolvers();
    this.#socket.resume();
    return this.#arriving.promise;
  }

  #assertOpen(): void {
    if (this.#failure !== undefined) throw this.#failure.reason;
  }
}

const connectErrors: Record<string, { code: ErrorCode; what: string; remedy: string }> = {
  ENOTFOUND: {
    code: "host-unknown",
    what: "the host name is unknown",
    remedy: "Check the host name in the URL",
  },
  ECONNREFUSED: {
    code: "engine-unreachable",
    what: "nobody listens there",
    remedy: "Check that the server is up, and its port and bind-address",
  },
  ENOENT: {
    code: "engine-unreachable",
    what: "there is no such socket",
    remedy: "Check that the server is up, and the socket's path",
  },
  EACCES: {
    code: "engine-denied",
    what: "this user may not open the socket",
    remedy: "Run as a user that may use the socket, or use TCP",
  },
};

function unreachable(cause: NodeJS.ErrnoException, target: MysqlTarget): DbctlError {
  const known = connectErrors[cause.code ?? ""];
  const what = known?.what ?? cause.message;
  const code = known?.code ?? "engine-unreachable";
  return new DbctlError(code, `Cannot reach ${describeTarget(target)}: ${what}`, {
    remedy: known?.remedy ?? "Check the network, and that the server is up",
    retryable: code === "engine-unreachable",
    cause,
  });
}

function cutOff(target: MysqlTarget): DbctlError {
  const where = describeTarget(target);
  return new DbctlError(
    "engine-unreachable",
    `Cannot go on with ${where}: the connection was cut`,
    {
      remedy: "Check that the server is up; its error log may say why it closed the connection",
      retryable: true,
    },
  );
}
