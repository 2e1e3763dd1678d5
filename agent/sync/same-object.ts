import { hashObject } from "../check/check-bytes.ts";
import { DbctlError } from "../../core/errors.ts";
import { readHeader } from "../repository/read-header.ts";
import type { ObjectStore } from "../store/object-store.ts";

interface Pair {
  from: ObjectStore;
  to: ObjectStore;
  signal: AbortSignal;
}

/** Whether a small object has the same bytes in both. */
export async function isSameObject(key: string, { from, to, signal }: Pair): Promise<boolean> {
  const [a, b] = await Promise.all([from, to].map((store) => hashObject(store, key, { signal })));
  return a?.sha256 === b?.sha256;
}

/** Throws when the bytes of a small object are others in the destination. */
export async function refuseOther(key: string, pair: Pair): Promise<void> {
  if (!(await isSameObject(key, pair))) throw other(key, pair);
}

/** Throws unless both manifests have the same signed header: `hash` is the source's. */
export async function refuseOtherManifest(key: string, hash: string, pair: Pair): Promise<void> {
  const there = await readHeader(pair.to, key, pair);
  if (there.hash !== hash) throw other(key, pair);
}

function other(key: string, { from, to }: Pair): DbctlError {
  const what = `its bytes are others than in ${from.url}`;
  return new DbctlError("repository-damaged", `Cannot trust ${key} in ${to.url}: ${what}`, {
    remedy: "Check both repositories with dbctl repo check; nothing was replaced",
  });
}
