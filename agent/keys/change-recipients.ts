import { DbctlError } from "../../core/errors.ts";
import { encrypterFor } from "../repository/epoch-file.ts";
import type { RepositoryInfo } from "../repository/open-repository.ts";
import { putRecipientList } from "../repository/recipient-list.ts";
import type { Recipient } from "../repository/recipient.ts";
import type { ObjectStore } from "../store/object-store.ts";

interface Change {
  store: ObjectStore;
  repository: RepositoryInfo;
  signal: AbortSignal;
}

/** From now on new epochs are sealed to this recipient as well. Gives the repository as it is now. */
export async function addRecipient(
  { store, repository, signal }: Change,
  added: Recipient,
): Promise<RepositoryInfo> {
  encrypterFor([added.recipient]);
  if (repository.recipients.some(({ recipient }) => recipient === added.recipient))
    throw new DbctlError("target-exists", `Cannot add ${added.recipient}: it is one already`, {
      remedy: "See dbctl repo keys ls",
    });
  if (added.name !== "" && repository.recipients.some(({ name }) => name === added.name))
    throw new DbctlError(
      "target-exists",
      `Cannot add ${added.recipient}: another is "${added.name}"`,
      {
        remedy: "Choose another name: it must say which key is meant",
      },
    );
  return await replace({ store, repository, signal }, [...repository.recipients, added]);
}

/** New epochs are not sealed to it any more; what it could open it opens until a rotation. */
export async function removeRecipient(
  { store, repository, signal }: Change,
  name: string,
): Promise<RepositoryInfo> {
  const removed = findRecipient(repository, name);
  const rest = repository.recipients.filter((one) => one !== removed);
  if (rest.length === 0)
    throw new DbctlError("usage", `Cannot remove ${name}: it is the last recipient`, {
      remedy: "Add another one first: dbctl repo keys add",
    });
  return await replace({ store, repository, signal }, rest);
}

/** The recipient of that public key, or of that name when only one has it. */
function findRecipient({ recipients }: RepositoryInfo, name: string): Recipient {
  const found = recipients.filter((one) => one.recipient === name || one.name === name);
  const [only, ...others] = found;
  if (only !== undefined && others.length === 0) return only;
  const what = only === undefined ? "there is none of that name" : "several have that name";
  throw new DbctlError("usage", `Cannot choose recipient "${name}": ${what}`, {
    remedy: `Recipients: ${recipients.map(describeRecipient).join(", ")}`,
  });
}

/** For people: the public key and its name. */
export function describeRecipient({ recipient, name }: Recipient): string {
  return name === "" ? recipient : `${recipient} (${name})`;
}

async function replace(
  { store, repository, signal }: Change,
  recipients: Recipient[],
): Promise<RepositoryInfo> {
  const change = { repository: repository.id, after: repository.list, recipients };
  const list = await putRecipientList(store, change, { signal });
  return { ...repository, recipients, list };
}
