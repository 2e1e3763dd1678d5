import type { ObjectStore } from "../../agent/store/object-store.ts";
import { brokenDisk } from "../fixtures/faulty-store.ts";

/** What happens to somebody's calls of the store. */
export type Trouble =
  | { kind: "none" }
  /** The process dies in its nth call, before or after the store has done it. */
  | { kind: "crash"; call: number; done: boolean }
  /** The nth call fails once, before or after the store has done it. */
  | { kind: "error"; call: number; done: boolean }
  /** Before the nth call somebody else does something. */
  | { kind: "meanwhile"; call: number; act: () => Promise<void> };

/** The process is dead: whatever it wanted to do is not done. */
export class Crash extends Error {
  override readonly name = "Crash";
}

/** The store as one process sees it. `happened` tells whether the trouble came. */
export function troubled(store: ObjectStore, trouble: Trouble) {
  const state = { calls: 0, dead: false, happened: false };

  const around = async <T>(key: string, act: () => Promise<T>): Promise<T> => {
    if (state.dead) throw new Crash(key);
    if (trouble.kind === "none" || state.calls++ !== trouble.call) return await act();
    state.happened = true;
    if (trouble.kind === "meanwhile") {
      await trouble.act();
      return await act();
    }
    state.dead = trouble.kind === "crash";
    if (trouble.done) await act();
    throw trouble.kind === "crash" ? new Crash(key) : brokenDisk(key);
  };
  const all = async <T>(key: string, of: AsyncIterable<T>): Promise<T[]> =>
    await around(key, () => Array.fromAsync(of));

  const seen: ObjectStore = {
    ...store,
    put: async (key, body, options) => {
      // The body is read before the store acts, so that a dead process has not half a body there.
      const pieces = await Array.fromAsync(body);
      return await around(key, () => store.put(key, pieces, options));
    },
    async *get(key, options) {
      yield* await all(key, store.get(key, options));
    },
    head: (key, options) => around(key, () => store.head(key, options)),
    async *list(prefix, options) {
      yield* await all(prefix, store.list(prefix, options));
    },
    async *listFolders(prefix, options) {
      yield* await all(prefix, store.listFolders(prefix, options));
    },
    delete: (key, options) => around(key, () => store.delete(key, options)),
  };
  return { store: seen, state };
}
