import type { ChunkCodec } from "./chunk-codec.ts";
import type { EpochKeys } from "./epoch.ts";
import { newRandomId } from "./identifier.ts";
import type { ChunkRef } from "./map.ts";
import { encodePackTail, maxPackChunks, type PackEntry, packMagic } from "./pack.ts";

/** A pack on its way: what is added waits here until the store has taken it. */
export class PackUpload {
  readonly pack = newRandomId();
  readonly entries: PackEntry[] = [];
  readonly #queue: Uint8Array[] = [packMagic];
  readonly #taken: () => void;
  #size = packMagic.length;
  #waiting = packMagic.length;
  #ended = false;
  #more = Promise.withResolvers<void>();

  /** `taken` is called whenever the store has taken something. */
  constructor(taken: () => void) {
    this.#taken = taken;
  }

  /** Bytes so far. */
  get size(): number {
    return this.#size;
  }

  /** Bytes that the store has not taken yet. */
  get waiting(): number {
    return this.#waiting;
  }

  isFull(packBytes: number): boolean {
    return this.#size >= packBytes || this.entries.length >= maxPackChunks;
  }

  add(chunk: Uint8Array, id: Uint8Array, codec: ChunkCodec): ChunkRef {
    const { pack } = this;
    const offset = this.#size;
    const frame = codec.seal(chunk, { pack, offset, id });
    this.entries.push({ id, offset, stored: frame.length, bytes: chunk.length });
    this.#push(frame);
    const hex = Buffer.from(id).toString("hex");
    return { pack, offset, stored: frame.length, bytes: chunk.length, id: hex };
  }

  end(epoch: EpochKeys): void {
    this.#ended = true;
    this.#push(encodePackTail(epoch, this.pack, this.entries));
  }

  #push(bytes: Uint8Array): void {
    this.#queue.push(bytes);
    this.#size += bytes.length;
    this.#waiting += bytes.length;
    this.#more.resolve();
  }

  async *body(): AsyncGenerator<Uint8Array, void> {
    for (;;) {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
        yield next;
        this.#waiting -= next.length;
        this.#taken();
      }
      if (this.#ended) return;
      this.#more = Promise.withResolvers<void>();
      await this.#more.promise;
    }
  }
}
