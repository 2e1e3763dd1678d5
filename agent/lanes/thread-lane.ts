import { once } from "node:events";
import { type MessagePort, Worker } from "node:worker_threads";
import { DbctlError, type ErrorRecord, errorFromRecord, errorToRecord } from "../../core/errors.ts";
import { type Lane, laneCalls } from "./lane.ts";

type CallName = Exclude<keyof Lane, symbol>;

type ToThread =
  | { kind: "call"; id: number; name: CallName; args: unknown[] }
  | { kind: "abort"; reason: ErrorRecord }
  | { kind: "close" };

type FromThread =
  | { kind: "ready" }
  | { kind: "result"; id: number; result: unknown }
  | { kind: "failure"; id: number; error: ErrorRecord };

/** Time for a thread to end its sessions with manners before it is ended without. */
const closeMs = 5_000;

/**
 * Opens a lane on a thread of its own. `script` is the thread's main file, which calls `serveLane`;
 * `data` is what it is started with (plain data).
 */
export async function openThreadLane(
  script: URL,
  data: unknown,
  { signal }: { signal: AbortSignal },
): Promise<Lane> {
  signal.throwIfAborted();
  const lane = new ThreadLane(new Worker(script, { workerData: data }), signal);
  await lane.ready;
  return lane.asLane();
}

class ThreadLane {
  readonly ready: Promise<void>;
  readonly #worker: Worker;
  readonly #signal: AbortSignal;
  readonly #pending = new Map<number, PromiseWithResolvers<unknown>>();
  readonly #started = Promise.withResolvers<void>();
  readonly #gone: Promise<unknown>;
  #lastId = 0;
  #ended: unknown;
  #closing: { failure: unknown } | undefined;

  constructor(worker: Worker, signal: AbortSignal) {
    this.#worker = worker;
    this.#signal = signal;
    this.ready = this.#started.promise;
    this.ready.catch(() => {});
    this.#gone = once(worker, "exit").catch(() => {});
    worker.on("message", (message: FromThread) => this.#take(message));
    worker.on("error", (error) => {
      if (this.#closing !== undefined) this.#closing.failure = error;
      this.#end(error);
    });
    worker.on("exit", () => this.#end(threadGone()));
    signal.addEventListener("abort", this.#abort, { once: true });
  }

  /** The port itself: every call becomes a message. */
  asLane(): Lane {
    const calls = Object.keys(laneCalls).map((name) => [
      name,
      (...args: unknown[]) => this.#call(name as CallName, args),
    ]);
    const dispose = { [Symbol.asyncDispose]: () => this.#close() };
    return { ...Object.fromEntries(calls), ...dispose } as Lane;
  }

  #call(name: CallName, args: unknown[]): Promise<unknown> {
    if (this.#ended !== undefined) return Promise.reject(DbctlError.from(this.#ended));
    const id = ++this.#lastId;
    const answer = Promise.withResolvers<unknown>();
    this.#pending.set(id, answer);
    this.#send({ kind: "call", id, name, args });
    return answer.promise;
  }

  #send(message: ToThread): void {
    this.#worker.postMessage(message);
  }

  #take(message: FromThread): void {
    if (message.kind === "ready") return this.#started.resolve();
    const answer = this.#pending.get(message.id);
    this.#pending.delete(message.id);
    if (message.kind === "result") answer?.resolve(message.result);
    else answer?.reject(errorFromRecord(message.error));
  }

  readonly #abort = () => {
    this.#send({ kind: "abort", reason: errorToRecord(this.#signal.reason) });
  };

  #end(reason: unknown): void {
    this.#ended ??= reason;
    this.#started.reject(this.#ended);
    for (const answer of this.#pending.values()) answer.reject(this.#ended);
    this.#pending.clear();
  }

  async #close(): Promise<void> {
    this.#signal.removeEventListener("abort", this.#abort);
    const closing = (this.#closing ??= { failure: undefined });
    this.#send({ kind: "close" });
    const timer = setTimeout(() => void this.#worker.terminate(), closeMs);
    await this.#gone;
    clearTimeout(timer);
    if (closing.failure !== undefined) throw DbctlError.from(closing.failure);
  }
}

function threadGone(): DbctlError {
  return new DbctlError("internal-bug", "Cannot go on: a data thread ended by itself", {
    remedy: "Check that the host has memory left, then try again",
  });
}

/** The other end: answers a thread's calls with `openLane`'s lane until it is told to close. */
export async function serveLane(
  port: MessagePort,
  openLane: (signal: AbortSignal) => Lane,
): Promise<void> {
  const controller = new AbortController();
  const closed = Promise.withResolvers<void>();
  const lane = openLane(controller.signal);
  port.on("message", (message: ToThread) => {
    if (message.kind === "close") closed.resolve();
    else if (message.kind === "abort") controller.abort(errorFromRecord(message.reason));
    else void answer(port, lane, message);
  });
  port.postMessage({ kind: "ready" } satisfies FromThread);
  await closed.promise;
  await lane[Symbol.asyncDispose]();
  port.close();
}

async function answer(
  port: MessagePort,
  lane: Lane,
  { id, name, args }: ToThread & { kind: "call" },
): Promise<void> {
  const call = lane[name] as (...args: unknown[]) => Promise<unknown>;
  const reply: FromThread = await call.apply(lane, args).then(
    (result) => ({ kind: "result" as const, id, result }),
    (error: unknown) => ({ kind: "failure" as const, id, error: errorToRecord(error) }),
  );
  port.postMessage(reply);
}
