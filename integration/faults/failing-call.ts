import { DbctlError } from "../../core/errors.ts";
import type { ObjectStore } from "../../agent/store/object-store.ts";

/** How one call of a store can go wrong. */
export const failures = ["error", "time-out", "cut in the middle", "lost answer"] as const;

export type Failure = (typeof failures)[number];

/** The store with one call that fails. `met` tells whether so many calls were made. */
export function failCall(store: ObjectStore, { call, how }: { call: number; how: Failure }) {
  const state = { calls: 0, met: false };
  const isTurn = () => {
    const turn = state.calls++ === call;
    state.met ||= turn;
    return turn;
  };

  const once = async <T>(key: string, act: () => Promise<T>): Promise<T> => {
    if (!isTurn()) return await act();
    if (how === "lost answer") await act();
    throw failureOf(how, key);
  };
  async function* many<T>(key: string, act: () => AsyncIterable<T>): AsyncGenerator<T, void> {
    if (!isTurn()) return yield* act();
    if (how === "error" || how === "time-out") throw failureOf(how, key);
    const all = await Array.fromAsync(act());
    // An answer that is lost after its last byte has been given: nobody can tell it was.
    yield* how === "lost answer" ? all : all.slice(0, Math.floor(all.length / 2));
    throw failureOf(how, key);
  }

  const failing: ObjectStore = {
    ...store,
    put: async (key, body, options) => {
      if (!isTurn()) return await store.put(key, body, options);
      if (how === "lost answer") await store.put(key, body, options);
      else if (how === "cut in the middle")
        return await store.put(key, cutBody(body, failureOf(how, key)), options);
      throw failureOf(how, key);
    },
    get: (key, options) => many(key, () => store.get(key, options)),
    head: (key, options) => once(key, () => store.head(key, options)),
    list: (prefix, options) => many(prefix, () => store.list(prefix, options)),
    listFolders: (prefix, options) => many(prefix, () => store.listFolders(prefix, options)),
    delete: (key, options) => once(key, () => store.delete(key, options)),
  };
  return { store: failing, state };
}

async function* cutBody(body: Parameters<ObjectStore["put"]>[1], failure: DbctlError) {
  for await (const piece of body) {
    yield piece.subarray(0, Math.floor(piece.length / 2));
    throw failure;
  }
  throw failure;
}

function failureOf(how: Failure, key: string): DbctlError {
  const code = how === "time-out" ? "store-unreachable" : "store-io";
  return new DbctlError(code, `Cannot use ${key}: ${how}`, {
    remedy: "Try again",
    retryable: how !== "error",
  });
}
