/** What several writers have for one reader. Iterate it once. */
export class Mailbox<T> implements AsyncIterable<T> {
  readonly #letters: T[] = [];
  #end: { error?: unknown } | undefined;
  #wake: () => void = () => {};

  put(letter: T): void {
    this.#letters.push(letter);
    this.#wake();
  }

  /** Ends it once what is in it was read; the first end counts. */
  end(): void {
    this.#end ??= {};
    this.#wake();
  }

  /** Like `end`, but the reader is then given the error. */
  fail(error: unknown): void {
    this.#end ??= { error };
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    for (;;) {
      const letter = this.#letters.shift();
      if (letter !== undefined) yield letter;
      else if (this.#end === undefined) await new Promise<void>((wake) => (this.#wake = wake));
      else if ("error" in this.#end) throw this.#end.error;
      else return;
    }
  }
}
