import type { ObjectStore } from "../store/object-store.ts";
import { parseControl } from "./control-json.ts";
import { damaged } from "./damage.ts";
import { instancePattern, randomIdPattern, timedIdPattern } from "./identifier.ts";
import { isoTime, oneOf, record, text } from "./json-shape.ts";
import { intentKey } from "./object-key.ts";
import { readObject } from "./read-object.ts";
import type { BackupPlace } from "./read-marks.ts";

/** "A backup is running in this epoch": there before its first chunk is looked up. */
export interface Intent {
  format: 1;
  repository: string;
  instance: string;
  epoch: string;
  backup: string;
  started: string;
}

/** So long after a prune has first seen it, it keeps nothing any more. */
export const intentLifeMs = 7 * 24 * 3600 * 1000;

const maxBytes = 1 << 16;

export async function readIntent(
  store: ObjectStore,
  place: BackupPlace,
  { signal }: { signal: AbortSignal },
): Promise<Intent> {
  const key = intentKey(place);
  const bytes = await readObject(store, key, { max: maxBytes, signal });
  const intent = parseControl(bytes, { shape: intentShape, name: "intent", object: key });
  const { repository, instance, backup } = intent;
  if (repository !== place.repository) throw damaged(key, "it is of another repository");
  if (instance !== place.instance || backup !== place.id)
    throw damaged(key, `it is of ${instance}, backup ${backup}`);
  return intent;
}

const intentShape = record<Intent>({
  format: oneOf(1),
  repository: text(randomIdPattern),
  instance: text(instancePattern),
  epoch: text(timedIdPattern),
  backup: text(timedIdPattern),
  started: isoTime,
});
