import { instancePattern, timedIdPattern } from "../repository/identifier.ts";
import { controlFolder, parseEpochKey } from "../repository/object-key.ts";
import type { ObjectStore } from "../store/object-store.ts";

/** An epoch of an instance. */
export interface EpochName {
  instance: string;
  epoch: string;
}

/** Every epoch that has a key anywhere, those of one instance after the other, each once. */
export async function* listEpochs(
  store: ObjectStore,
  { signal }: { signal: AbortSignal },
): AsyncGenerator<EpochName, void> {
  const instances = new Set<string>();
  for (const prefix of ["", `${controlFolder}/epochs/`])
    for await (const name of store.listFolders(prefix, { signal }))
      if (instancePattern.test(name)) instances.add(name);
  for (const instance of [...instances].toSorted())
    for (const epoch of await epochsOf(store, instance, { signal })) yield { instance, epoch };
}

async function epochsOf(
  store: ObjectStore,
  instance: string,
  { signal }: { signal: AbortSignal },
): Promise<string[]> {
  const epochs = new Set<string>();
  for await (const { key } of store.list(`${instance}/epochs/`, { signal })) {
    const found = parseEpochKey(key);
    if (found !== undefined) epochs.add(found.epoch);
  }
  for await (const name of store.listFolders(`${controlFolder}/epochs/${instance}/`, { signal }))
    if (timedIdPattern.test(name)) epochs.add(name);
  return [...epochs].toSorted();
}
