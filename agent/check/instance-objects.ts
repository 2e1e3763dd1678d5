import { isKeyName } from "../store/store-key.ts";
import type { ObjectInfo, ObjectStore } from "../store/object-store.ts";
import { instancePattern } from "../repository/identifier.ts";
import { controlFolder } from "../repository/object-key.ts";
import { parseKey } from "../repository/parse-key.ts";
import { type Finding, noteAt } from "./finding.ts";

/** What lies in the folder of one instance, by kind. Sizes in bytes. */
export interface InstanceObjects {
  instance: string;
  /** By backup. */
  manifests: Map<string, ObjectInfo>;
  /** By key. */
  maps: Map<string, { id: string; size: number }>;
  /** By epoch, then by pack. */
  packs: Map<string, Map<string, number>>;
  epochs: Set<string>;
  intents: Set<string>;
}

interface Options {
  /** Told of what is not ours. */
  found: (finding: Finding) => void;
  /** One instance, instead of all. */
  only?: string;
  signal: AbortSignal;
}

/**
 * One instance after the other, in one pass over the store; in a folder, manifests are listed before
 * the packs that they need.
 */
export async function* listInstances(
  store: ObjectStore,
  { found, only, signal }: Options,
): AsyncGenerator<InstanceObjects, void> {
  let current: InstanceObjects | undefined;
  const prefix = only === undefined ? "" : `${only}/`;
  for await (const info of store.list(prefix, { signal })) {
    const [folder = "", ...rest] = info.key.split("/");
    if (folder === controlFolder) continue;
    const isInstance = rest.length > 0 && instancePattern.test(folder) && isKeyName(folder);
    if (current !== undefined && current.instance !== folder) {
      yield current;
      current = undefined;
    }
    if (isInstance) current ??= emptyInstance(folder);
    const stranger = sortIn(current, info);
    if (stranger !== undefined) found(stranger);
  }
  if (current !== undefined) yield current;
}

function emptyInstance(instance: string): InstanceObjects {
  return {
    instance,
    manifests: new Map(),
    maps: new Map(),
    packs: new Map(),
    epochs: new Set(),
    intents: new Set(),
  };
}

/** Puts it where it belongs; gives what is to be said when that is nowhere. */
function sortIn(into: InstanceObjects | undefined, info: ObjectInfo): Finding | undefined {
  const { key, size } = info;
  const parsed = parseKey(key);
  switch (parsed?.kind) {
    case "repository":
      return undefined;
    case "probe":
      return noteAt(key, ["unfinished", "it is left over from making the repository"]);
    case "manifest":
      into?.manifests.set(parsed.id, info);
      return undefined;
    case "map":
      into?.maps.set(key, { id: parsed.id, size });
      return undefined;
    case "pack": {
      const packs = into?.packs.get(parsed.epoch) ?? new Map<string, number>();
      into?.packs.set(parsed.epoch, packs.set(parsed.pack, size));
      return undefined;
    }
    case "epoch":
      into?.epochs.add(parsed.epoch);
      return undefined;
    case "intent":
      into?.intents.add(parsed.id);
      return undefined;
    case undefined:
    case "keys":
    case "mark":
    case "removal":
    case "prune":
      return noteAt(key, ["foreign", "it is none of this repository's objects"]);
  }
}
