import { setTimeout as sleep } from "node:timers/promises";
import { DbctlError } from "../../core/errors.ts";
import type { Bus, BusMessage, Consumer } from "./bus.ts";

interface Options {
  /** The durable consumers there are. */
  consumers: readonly string[];
  /** How long `publish` waits for them, in milliseconds. */
  patienceMs?: number;
}

/**
 * The bus of a controller that runs alone. It keeps nothing on disk, so a message is safe only once
 * every durable consumer has handled it: until then it stays in the publisher's outbox.
 */
export function createMemoryBus(options: Options): Bus {
  return new MemoryBus(options);
}

/** Ids known for being published twice. */
const remembered = 10_000;

interface Entry {
  message: BusMessage;
  waitsFor: Set<string>;
  safe: PromiseWithResolvers<void>;
}

class MemoryBus implements Bus {
  readonly #names: readonly string[];
  readonly #patienceMs: number;
  /** In order of publication: those that wait for a consumer, and those that many were before. */
  readonly #entries = new Map<string, Entry>();
  readonly #busy = new Set<string>();
  readonly #closed = new AbortController();
  #arrival = Promise.withResolvers<void>();

  constructor({ consumers, patienceMs = 10_000 }: Options) {
    this.#names = consumers;
    this.#patienceMs = patienceMs;
  }

  async publish(message: BusMessage): Promise<void> {
    const entry = this.#entries.get(message.id) ?? this.#add(message);
    const signal = this.#closed.signal;
    if (signal.aborted) throw notSafe(message, "the bus is closed");
    const gaveUp = new AbortController();
    const late = sleep(this.#patienceMs, undefined, {
      signal: AbortSignal.any([signal, gaveUp.signal]),
    }).then(
      () => Promise.reject(notSafe(message, `${[...entry.waitsFor].join(", ")} did not take it`)),
      () => Promise.reject(notSafe(message, "the bus was closed")),
    );
    try {
      await Promise.race([entry.safe.promise, late]);
    } finally {
      late.catch(() => {});
      gaveUp.abort();
    }
  }

  async consume({ name, handle }: Consumer, signal: AbortSignal): Promise<void> {
    if (!this.#names.includes(name) || this.#busy.has(name))
      throw DbctlError.from(new Error(`bus consumer "${name}" is unknown, or consumes already`));
    this.#busy.add(name);
    try {
      while (!signal.aborted && !this.#closed.signal.aborted) {
        const entry = this.#next(name);
        if (entry === undefined) await this.#wait(signal);
        else {
          await handle(entry.message);
          this.#acknowledge(entry, name);
        }
      }
    } finally {
      this.#busy.delete(name);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort();
    return Promise.resolve();
  }

  #add(message: BusMessage): Entry {
    const safe = Promise.withResolvers<void>();
    const entry = { message, waitsFor: new Set(this.#names), safe };
    if (this.#names.length === 0) safe.resolve();
    this.#entries.set(message.id, entry);
    this.#forgetOld();
    this.#arrival.resolve();
    this.#arrival = Promise.withResolvers();
    return entry;
  }

  /** Only what all have handled is forgotten. */
  #forgetOld(): void {
    for (const [id, { waitsFor }] of this.#entries) {
      if (this.#entries.size <= remembered || waitsFor.size > 0) return;
      this.#entries.delete(id);
    }
  }

  #next(name: string): Entry | undefined {
    return this.#entries.values().find(({ waitsFor }) => waitsFor.has(name));
  }

  async #wait(signal: AbortSignal): Promise<void> {
    const ended = Promise.withResolvers<void>();
    const either = AbortSignal.any([signal, this.#closed.signal]);
    const end = () => ended.resolve();
    either.addEventListener("abort", end, { once: true });
    if (either.aborted) end();
    await Promise.race([this.#arrival.promise, ended.promise]);
    either.removeEventListener("abort", end);
  }

  #acknowledge(entry: Entry, name: string): void {
    entry.waitsFor.delete(name);
    if (entry.waitsFor.size === 0) entry.safe.resolve();
  }
}

function notSafe({ id, subject }: BusMessage, what: string): DbctlError {
  return new DbctlError("bus-unreachable", `Cannot publish ${id} on ${subject}: ${what}`, {
    remedy: "It stays in the outbox and is published again; look for errors of the consumers",
    retryable: true,
  });
}
