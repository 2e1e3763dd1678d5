import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { connect, translateSocketError } from "./connect.ts";
import { type Message, MessageReader } from "./messages.ts";
import type { RowIntake } from "./row-intake.ts";
import { describeTarget, type PostgresTarget } from "./target.ts";
import { DbctlError } from "../../../core/errors.ts";

/** Unread bytes at which the socket rests. */
const unreadLimit = 256 << 10;
const readBytes = 64 << 10;

/** One connection as messages. Once broken, everything rejects with what broke it. */
export class Wire {
  readonly #target: PostgresTarget;
  readonly #messages = new MessageReader();
  readonly #buffer = Buffer.alloc(readBytes);
  #socket: Socket | TLSSocket | undefined;
  #intake: RowIntake | undefined;
  #broken: { reason: unknown } | undefined;
  #wake: (() => void) | undefined;

  private constructor(target: PostgresTarget) {
    this.#target = target;
  }

  static async open(target: PostgresTarget, { signal }: { signal: AbortSignal }): Promise<Wire> {
    signal.throwIfAborted();
    const wire = new Wire(target);
    const onread = {
      buffer: () => wire.#intake?.room ?? wire.#buffer,
      callback: (length: number, bytes: Uint8Array) => {
        wire.#received(bytes.subarray(0, length));
        return true;
      },
    };
    const socket = await connect(target, { signal, onread });
    wire.#socket = socket;
    if (socket instanceof TLSSocket) socket.on("data", (bytes: Buffer) => wire.#received(bytes));
    socket.on("error", (error) => wire.break(translateSocketError(error, target)));
    socket.on("close", () => wire.break(closed(target)));
    return wire;
  }

  get isBroken(): boolean {
    return this.#broken !== undefined;
  }

  /** True when the server has said something that was not read yet. */
  get hasArrived(): boolean {
    return this.#messages.size > 0;
  }

  /** The socket below when it is secured. */
  get tls(): TLSSocket | undefined {
    return this.#socket instanceof TLSSocket ? this.#socket : undefined;
  }

  /** Resolves when the system has taken the bytes; until then they must not change. */
  write(...pieces: Uint8Array[]): Promise<void> {
    return new Promise((resolve, reject) => {
      const socket = this.#socket;
      if (this.#broken !== undefined || socket === undefined) return reject(this.#reason());
      const last = pieces.length - 1;
      const done = (error?: Error | null) => (error ? reject(this.#reason()) : resolve());
      socket.cork();
      pieces.forEach((piece, i) => (i === last ? socket.write(piece, done) : socket.write(piece)));
      socket.uncork();
    });
  }

  /** A message that has come already. */
  takeMessage(): Message | undefined {
    try {
      return this.#messages.next();
    } catch (error) {
      this.break(error);
      throw error;
    }
  }

  async readMessage(): Promise<Message> {
    for (;;) {
      const message = this.takeMessage();
      if (message !== undefined) return message;
      await this.#arrival();
    }
  }

  /** Gives rows to the intake until a message comes that is none; that one is read next. */
  async receiveRows(intake: RowIntake, options: { signal: AbortSignal }): Promise<void> {
    const waiting = this.#messages.takeAll();
    for (let at = 0; at < waiting.length; at += readBytes) {
      if (intake.full) {
        // What arrived meanwhile would come before the rest of what waits.
        this.#socket?.pause();
        await intake.drained(options);
      }
      const other = intake.take(waiting.subarray(at, at + readBytes));
      if (other === undefined) continue;
      this.#messages.push(other);
      this.#messages.push(waiting.subarray(at + readBytes));
      return;
    }
    this.#intake = intake;
    while (this.#intake !== undefined) {
      if (intake.full) {
        this.#socket?.pause();
        await intake.drained(options);
      }
      await this.#arrival();
    }
  }

  /** Ends the connection now; whatever waits rejects with the reason. */
  break(reason: unknown): void {
    this.#broken ??= { reason };
    this.#socket?.destroy();
    this.#wake?.();
  }

  /** Says goodbye and waits until the server has closed its side, which it does last. */
  async end(goodbye: Uint8Array, waitMs: number): Promise<void> {
    const socket = this.#socket;
    if (this.#broken !== undefined || socket === undefined) return;
    const gone = Promise.withResolvers<void>();
    socket.once("close", gone.resolve);
    const timer = setTimeout(gone.resolve, waitMs);
    socket.resume();
    socket.end(goodbye);
    await gone.promise;
    clearTimeout(timer);
    this.break(closed(this.#target));
  }

  #received(bytes: Uint8Array): void {
    if (this.#broken !== undefined) return;
    if (this.#intake === undefined) {
      this.#messages.push(bytes);
      if (this.#messages.size > unreadLimit) this.#socket?.pause();
      this.#wake?.();
      return;
    }
    try {
      const other = this.#intake.take(bytes);
      if (other !== undefined) {
        this.#intake = undefined;
        this.#messages.push(other);
      } else if (!this.#intake.full) return;
      this.#socket?.pause();
      this.#wake?.();
    } catch (error) {
      this.break(error);
    }
  }

  async #arrival(): Promise<void> {
    if (this.#broken !== undefined) throw this.#reason();
    const arrived = Promise.withResolvers<void>();
    this.#wake = arrived.resolve;
    this.#socket?.resume();
    await arrived.promise;
    this.#wake = undefined;
    // What came before the connection broke is read first: it may say why.
    if (this.#broken !== undefined && this.#messages.size === 0) throw this.#reason();
  }

  #reason(): unknown {
    return this.#broken?.reason ?? closed(this.#target);
  }
}

function closed(target: PostgresTarget): DbctlError {
  return new DbctlError(
    "engine-unreachable",
    `Cannot go on with ${describeTarget(target)}: the connection was closed`,
    { remedy: "Look into the server's log for the reason, then try again", retryable: true },
  );
}
