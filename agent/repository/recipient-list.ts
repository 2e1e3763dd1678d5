import type { ObjectStore } from "../store/object-store.ts";
import { damaged } from "./damage.ts";
import { randomIdPattern } from "./identifier.ts";
import { count, oneOf, record, text } from "./json-shape.ts";
import { recipientsKey, recipientsPrefix } from "./object-key.ts";
import { readObject } from "./read-object.ts";
import { type Recipient, recipientsShape } from "./recipient.ts";

/** A later list of recipients, which takes the place of all before. docs/format.md. */
export interface RecipientList {
  format: 1;
  repository: string;
  /** From 1; the one in repository.json is number 0. */
  number: number;
  recipients: Recipient[];
}

const maxBytes = 1 << 20;

/** The recipients that count now: those of the last list, or of repository.json. */
export async function currentRecipients(
  store: ObjectStore,
  { id, recipients }: { id: string; recipients: Recipient[] },
  { signal }: { signal: AbortSignal },
): Promise<Recipient[]> {
  const keys = await Array.fromAsync(store.list(recipientsPrefix, { signal }), ({ key }) => key);
  const last = keys.at(-1);
  if (last === undefined) return recipients;
  const bytes = await readObject(store, last, { max: maxBytes, signal });
  const list = parseRecipientList(bytes, last);
  if (list.repository !== id || recipientsKey(list.number) !== last)
    throw damaged(last, `it is list ${list.number} of repository ${list.repository}`);
  return list.recipients;
}

export function parseRecipientList(bytes: Buffer, object: string): RecipientList {
  try {
    return listShape(JSON.parse(bytes.toString()), "recipients");
  } catch (cause) {
    throw damaged(object, (cause as Error).message, { cause });
  }
}

const listShape = record<RecipientList>({
  format: oneOf(1),
  repository: text(randomIdPattern),
  number: count,
  recipients: recipientsShape,
});
