import { createHash } from "node:crypto";
import { DbctlError } from "../../core/errors.ts";
import { damaged } from "../repository/damage.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { isSameObject } from "./same-object.ts";

/** An object of the source, and what it must be. */
export interface CopyItem {
  key: string;
  /** Bytes. */
  size: number;
  /** Of the whole object, hexadecimal, where a signed header tells. */
  sha256?: string;
  /** A pack. */
  bulk?: boolean;
}

export interface CopierOptions {
  from: ObjectStore;
  to: ObjectStore;
  /** Objects on their way at once. */
  parallel: number;
  /** Only counts. */
  isDryRun: boolean;
  /** Called with the bytes that were read. */
  onBytes: (bytes: number) => void;
  signal: AbortSignal;
}

/** Copies objects bit by bit, each once, however often it is asked for. */
export class Copier {
  readonly #options: CopierOptions;
  readonly #begun = new Map<string, Promise<void>>();
  readonly #waiting: (() => void)[] = [];
  #free: number;
  /** What was copied, or would be. */
  readonly copied = { objects: 0, bytes: 0 };
  /** What the destination had. */
  readonly present = { objects: 0, bytes: 0 };

  constructor(options: CopierOptions) {
    this.#options = options;
    this.#free = options.parallel;
  }

  /**
   * When it resolves, the destination has confirmed the object. `thereBytes`: its size there, if it
   * is there; another size than the source's is an error, and nothing is replaced.
   */
  async copy(item: CopyItem, thereBytes: number | undefined): Promise<void> {
    let begun = this.#begun.get(item.key);
    if (begun === undefined) {
      begun = this.#begin(item, thereBytes);
      this.#begun.set(item.key, begun);
    }
    await begun;
  }

  async #begin(item: CopyItem, thereBytes: number | undefined): Promise<void> {
    const { key, size } = item;
    if (thereBytes !== undefined) {
      if (thereBytes !== size) throw this.#differs(key, `it has ${thereBytes} bytes, not ${size}`);
      this.present.objects += 1;
      this.present.bytes += size;
      return;
    }
    await this.#take();
    try {
      if (!this.#options.isDryRun) await this.#put(item);
    } finally {
      this.#give();
    }
    this.copied.objects += 1;
    this.copied.bytes += size;
  }

  async #put(item: CopyItem): Promise<void> {
    const { key, size, bulk = false } = item;
    const { to, signal } = this.#options;
    try {
      const info = await to.put(key, this.#body(item), { bulk, signal });
      if (info.size !== size) throw this.#differs(key, `it kept ${info.size} bytes, not ${size}`);
    } catch (error) {
      if (!(error instanceof DbctlError) || error.code !== "object-exists") throw error;
      // Another copy run, or an answer of the store that was lost.
      const found = await to.head(key, { signal });
      if (found?.size !== size)
        throw this.#differs(key, `it has ${found?.size} bytes, not ${size}`);
      // Packs have random names; somebody may have put a mark in the same moment.
      if (!bulk && !(await isSameObject(key, this.#options)))
        throw this.#differs(key, "it has other bytes");
    }
  }

  /** Damage is not carried on: what is not as it should be ends the put, which then leaves nothing. */
  async *#body({ key, size, sha256 }: CopyItem): AsyncGenerator<Uint8Array, void> {
    const { from, onBytes, signal } = this.#options;
    const hash = createHash("sha256");
    let bytes = 0;
    for await (const piece of from.get(key, { signal })) {
      bytes += piece.length;
      if (bytes > size) break;
      if (sha256 !== undefined) hash.update(piece);
      onBytes(piece.length);
      yield piece;
    }
    if (bytes !== size) throw damaged(key, `it does not have the ${size} bytes it should have`);
    if (sha256 !== undefined && hash.digest("hex") !== sha256)
      throw damaged(key, "it is not the one that was signed");
  }

  #differs(key: string, what: string): DbctlError {
    return new DbctlError(
      "repository-damaged",
      `Cannot copy ${key} to ${this.#options.to.url}: ${what}`,
      {
        remedy: "Check both repositories with dbctl repo check; nothing that is there was changed",
      },
    );
  }

  async #take(): Promise<void> {
    this.#options.signal.throwIfAborted();
    if (this.#free > 0) {
      this.#free -= 1;
      return;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push(resolve);
    await promise;
    this.#options.signal.throwIfAborted();
  }

  /** The next one that waits takes the place over. */
  #give(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free += 1;
    else next();
  }
}
