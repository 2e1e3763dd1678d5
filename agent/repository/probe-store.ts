import { DbctlError } from "../../core/errors.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { newRandomId } from "./identifier.ts";
import { readObject } from "./read-object.ts";

/** Tries what a repository lives on, with an object of its own: a store that lies is refused. */
export async function probeStore(
  store: ObjectStore,
  { signal }: { signal: AbortSignal },
): Promise<void> {
  const key = `probe-${newRandomId()}`;
  const texts = ["first", "other"].map((text) => Buffer.from(text));
  const race = await Promise.allSettled(texts.map((text) => store.put(key, [text], { signal })));
  try {
    const winner = texts.find((_, n) => race[n]?.status === "fulfilled");
    for (const end of race)
      if (end.status === "rejected" && !isExists(end.reason)) throw end.reason;
    if (winner === undefined || race.every(({ status }) => status === "fulfilled"))
      throw unfit(store, "it lets an object be replaced");
    const listed = await Array.fromAsync(store.list(key, { signal }));
    if (listed[0]?.key !== key || listed[0].size !== winner.length)
      throw unfit(store, "it does not list what was put");
    const range = { offset: 1, length: 3 };
    const read = await readObject(store, key, { max: 3, range, signal });
    if (!read.equals(winner.subarray(1, 4)))
      throw unfit(store, "it reads other bytes than were put");
  } finally {
    await store.delete(key, { signal });
  }
}

function isExists(error: unknown): boolean {
  return error instanceof DbctlError && error.code === "object-exists";
}

function unfit({ url }: ObjectStore, what: string): DbctlError {
  return new DbctlError("cannot-create", `Cannot make a repository in ${url}: ${what}`, {
    remedy: "Use a store that creates objects only once and reads back what it was given",
  });
}
