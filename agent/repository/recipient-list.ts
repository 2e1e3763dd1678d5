import { DbctlError } from "../../core/errors.ts";
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

export const maxRecipientListBytes = 1 << 20;

/** The recipients that count now: those of the last list, or (number 0) of repository.json. */
export async function currentRecipients(
  store: ObjectStore,
  { id, recipients }: { id: string; recipients: Recipient[] },
  { signal }: { signal: AbortSignal },
): Promise<{ list: number; recipients: Recipient[] }> {
  const keys = await Array.fromAsync(store.list(recipientsPrefix, { signal }), ({ key }) => key);
  const last = keys.at(-1);
  if (last === undefined) return { list: 0, recipients };
  const bytes = await readObject(store, last, { max: maxRecipientListBytes, signal });
  const list = parseRecipientList(bytes, last);
  if (list.repository !== id || recipientsKey(list.number) !== last)
    throw damaged(last, `it is list ${list.number} of repository ${list.repository}`);
  return { list: list.number, recipients: list.recipients };
}

/**
 * Puts the list that follows number `after`. `busy` when somebody else did so meanwhile: what was
 * decided has to be decided anew.
 */
export async function putRecipientList(
  store: ObjectStore,
  { repository, after, recipients }: { repository: string; after: number; recipients: Recipient[] },
  { signal }: { signal: AbortSignal },
): Promise<number> {
  const number = after + 1;
  const list: RecipientList = { format: 1, repository, number, recipients };
  const json = Buffer.from(`${JSON.stringify(list, undefined, 2)}\n`);
  parseRecipientList(json, recipientsKey(number));
  try {
    await store.put(recipientsKey(number), [json], { signal });
  } catch (error) {
    if (!(error instanceof DbctlError) || error.code !== "object-exists") throw error;
    throw new DbctlError("busy", "Cannot change the recipients: somebody has just changed them", {
      remedy: "Look at them with dbctl repo keys ls, then run it again",
      retryable: true,
      cause: error,
    });
  }
  return number;
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
