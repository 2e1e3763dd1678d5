import { obeySignal } from "../obey-signal.ts";
import type { ObjectBody } from "../object-store.ts";

/**
 * Cuts a body into buffers of wanted sizes. Takes no piece before it is needed. Throws the signal's
 * reason once it aborts, and can be disposed, even while the body is silent.
 */
export class BodyCutter implements AsyncDisposable {
  readonly #pieces: AsyncGenerator<Uint8Array, void>;
  readonly #over = new AbortController();
  #rest: Uint8Array[] = [];
  #ended = false;

  constructor(body: ObjectBody, signal: AbortSignal) {
    this.#pieces = obeySignal(body, AbortSignal.any([signal, this.#over.signal]));
  }

  /** The next bytes: as many as `size`, or all that are left. Pieces of the body are not copied. */
  async take(size: number): Promise<Uint8Array[]> {
    const taken: Uint8Array[] = [];
    for (let missing = size; missing > 0 && !(await this.isAtEnd());) {
      const [piece = new Uint8Array(0), ...others] = this.#rest;
      const [part, left] = [piece.subarray(0, missing), piece.subarray(missing)];
      this.#rest = left.length === 0 ? others : [left, ...others];
      missing -= part.length;
      taken.push(part);
    }
    return taken;
  }

  /** What was taken comes first again. */
  putBack(taken: readonly Uint8Array[]): void {
    this.#rest = [...taken, ...this.#rest];
  }

  /** Whether all was taken. Asks the body for its next piece where it cannot know otherwise. */
  async isAtEnd(): Promise<boolean> {
    while (this.#rest.length === 0 && !this.#ended) {
      const next = await this.#pieces.next();
      if (next.done === true) this.#ended = true;
      else if (next.value.length > 0) this.#rest = [next.value];
    }
    return this.#rest.length === 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // A generator that waits for a silent body would not return before.
    this.#over.abort(new Error("nobody reads on"));
    await this.#pieces.return();
  }
}
