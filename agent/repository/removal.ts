import { DbctlError } from "../../core/errors.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { parseControl } from "./control-json.ts";
import { damaged } from "./damage.ts";
import { instancePattern, randomIdPattern, timedIdPattern } from "./identifier.ts";
import { count, hex32, isoTime, label, oneOf, record, text } from "./json-shape.ts";
import { removedKey } from "./object-key.ts";
import { readObject } from "./read-object.ts";
import type { BackupPlace } from "./read-marks.ts";

/**
 * Says that a prune removed the backup: why its number is missing in its signer's chain, and that a
 * manifest that turns up there again is a replayed one. docs/format.md.
 */
export interface Removal {
  format: 1;
  repository: string;
  instance: string;
  backup: string;
  epoch: string;
  signer: string;
  sequence: number;
  /** By which the next manifest of its signer refers to it. */
  hash: string;
  /** By the pruner's clock. */
  at: string;
  by: string;
}

const maxBytes = 1 << 16;

/** Creates the record; one that is there already must be about the same manifest. */
export async function putRemoval(
  store: ObjectStore,
  removal: Removal,
  { signal }: { signal: AbortSignal },
): Promise<void> {
  const place = { ...removal, id: removal.backup };
  const key = removedKey(place);
  const bytes = Buffer.from(`${JSON.stringify(removalShape(removal, "removal"))}\n`);
  try {
    await store.put(key, [bytes], { signal });
  } catch (error) {
    if (!(error instanceof DbctlError) || error.code !== "object-exists") throw error;
    const there = await readRemoval(store, place, { signal });
    if (there.hash !== removal.hash)
      throw damaged(key, "it is about another manifest than the one that is there");
  }
}

export async function readRemoval(
  store: ObjectStore,
  place: BackupPlace,
  { signal }: { signal: AbortSignal },
): Promise<Removal> {
  const key = removedKey(place);
  const bytes = await readObject(store, key, { max: maxBytes, signal });
  const removal = parseControl(bytes, { shape: removalShape, name: "removal", object: key });
  const { repository, instance, backup } = removal;
  if (repository !== place.repository) throw damaged(key, "it is of another repository");
  if (instance !== place.instance || backup !== place.id)
    throw damaged(key, `it is about ${instance}, backup ${backup}`);
  return removal;
}

const removalShape = record<Removal>({
  format: oneOf(1),
  repository: text(randomIdPattern),
  instance: text(instancePattern),
  backup: text(timedIdPattern),
  epoch: text(timedIdPattern),
  signer: hex32,
  sequence: count,
  hash: hex32,
  at: isoTime,
  by: label,
});
