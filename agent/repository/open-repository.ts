import { DbctlError } from "../../core/errors.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { damaged, newer } from "./damage.ts";
import { randomIdPattern } from "./identifier.ts";
import { count, isoTime, oneOf, record, text } from "./json-shape.ts";
import { repositoryKey } from "./object-key.ts";
import { readObject } from "./read-object.ts";
import { type Recipient, recipientsShape } from "./recipient.ts";
import { currentRecipients } from "./recipient-list.ts";

/** What `repository.json` says. Plain data. */
export interface RepositoryInfo {
  format: 1;
  /** 32 hexadecimal digits. */
  id: string;
  created: string;
  /** Bytes; how streams are cut (docs/format.md, "Chunks"). */
  chunking: { min: number; mean: number; max: number };
  /** Every new epoch's key is sealed to all of them. */
  recipients: Recipient[];
  /** Number of the list that they stand in; 0: in repository.json. */
  list: number;
}

const maxBytes = 1 << 20;

/** `repository-unknown` when there is none, `repository-newer` when this dbctl is too old for it. */
export async function openRepository(
  store: ObjectStore,
  { signal }: { signal: AbortSignal },
): Promise<RepositoryInfo> {
  let bytes: Buffer;
  try {
    bytes = await readObject(store, repositoryKey, { max: maxBytes, signal });
  } catch (error) {
    if (!(error instanceof DbctlError) || error.code !== "object-missing") throw error;
    throw new DbctlError("repository-unknown", `Cannot open ${store.url}: it is no repository`, {
      remedy: "Check the URL; a new repository is made with dbctl repo init",
      cause: error,
    });
  }
  const info = parseRepositoryInfo(bytes.toString());
  return { ...info, ...(await currentRecipients(store, info, { signal })) };
}

function parseRepositoryInfo(json: string): Omit<RepositoryInfo, "list"> {
  try {
    const value: unknown = JSON.parse(json);
    const version = (value as { format?: unknown } | null)?.format;
    if (Number.isSafeInteger(version) && Number(version) > 1)
      throw newer(repositoryKey, Number(version));
    return infoShape(value, "repository");
  } catch (cause) {
    if (cause instanceof DbctlError) throw cause;
    throw damaged(repositoryKey, (cause as Error).message, { cause });
  }
}

const fields = {
  format: oneOf<1>(1),
  id: text(randomIdPattern),
  created: isoTime,
  chunking: record({ min: oneOf(262_144), mean: oneOf(1_048_576), max: oneOf(4_194_304) }),
  recipients: recipientsShape,
};

const infoShape = record<Omit<RepositoryInfo, "list">>(fields);

/** Checks what `dbctl repo show` has printed, or a pin holds. */
export const repositoryInfoShape = record<RepositoryInfo>({ ...fields, list: count });
