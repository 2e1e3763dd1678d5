import type { Identity } from "./peer.ts";

export interface OpenCall extends Disposable {
  readonly signal: AbortSignal;
  belongsTo(identity: Identity): void;
  end(reason: Error): void;
}

/** The calls that a server is answering, so that they can be ended when something else happens. */
export class OpenCalls {
  readonly #calls = new Map<AbortController, Identity>();

  open(): OpenCall {
    const stop = new AbortController();
    this.#calls.set(stop, { kind: "none" });
    return {
      signal: stop.signal,
      belongsTo: (identity) => void this.#calls.set(stop, identity),
      end: (reason) => stop.abort(reason),
      [Symbol.dispose]: () => void this.#calls.delete(stop),
    };
  }

  /** Whether a call of those whom the test names goes on. */
  has(test: (identity: Identity) => boolean): boolean {
    return this.#calls.entries().some(([stop, identity]) => !stop.signal.aborted && test(identity));
  }

  /** Ends all calls of those whom the test names. */
  endWhere(test: (identity: Identity) => boolean, reason: Error): void {
    for (const [stop, identity] of this.#calls) if (test(identity)) stop.abort(reason);
  }

  endAll(reason: Error): void {
    this.endWhere(() => true, reason);
  }
}
