import { DbctlError } from "../../core/errors.ts";
import { epochKey, resealedPrefix } from "../repository/object-key.ts";
import type { ObjectStore } from "../store/object-store.ts";
import type { Copier } from "./copier.ts";
import { listSizes } from "./list-sizes.ts";
import { refuseOther } from "./same-object.ts";

interface Epoch {
  instance: string;
  epoch: string;
}

interface Parts {
  from: ObjectStore;
  to: ObjectStore;
  copier: Copier;
  signal: AbortSignal;
}

/** A rotation in the source may remove a sealing that was just seen: then there is a later one. */
const attempts = 3;

/** All sealings of the epoch's key; when it resolves, the destination has the latest one. */
export async function syncEpoch(epoch: Epoch, parts: Parts): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await copySealings(epoch, parts);
    } catch (error) {
      const isGone = error instanceof DbctlError && error.code === "object-missing";
      if (!isGone || attempt === attempts) throw error;
    }
  }
}

async function copySealings(epoch: Epoch, { from, to, copier, signal }: Parts): Promise<void> {
  const there = await sealings(to, epoch, { signal });
  for (const [key, size] of await sealings(from, epoch, { signal })) {
    await copier.copy({ key, size }, there.get(key));
    if (there.has(key)) await refuseOther(key, { from, to, signal });
  }
}

/** The host's own first, then by list. */
export async function sealings(
  store: ObjectStore,
  epoch: Epoch,
  { signal }: { signal: AbortSignal },
): Promise<Map<string, number>> {
  const own = await store.head(epochKey(epoch), { signal });
  const later = await listSizes(store, resealedPrefix(epoch), { signal });
  return new Map([...(own === undefined ? [] : [[own.key, own.size] as const]), ...later]);
}
