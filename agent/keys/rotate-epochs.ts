import { isDeepStrictEqual } from "node:util";
import { DbctlError } from "../../core/errors.ts";
import type { Secret } from "../../core/secret.ts";
import { readEpoch } from "../repository/open-backup.ts";
import { openEpochFile, sealEpochFile } from "../repository/epoch-file.ts";
import { type EpochObject, listEpochFiles } from "../repository/find-epoch-file.ts";
import { resealedKey } from "../repository/object-key.ts";
import type { RepositoryInfo } from "../repository/open-repository.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { type EpochName, listEpochs } from "./list-epochs.ts";

export interface RotateOptions {
  store: ObjectStore;
  repository: RepositoryInfo;
  /** The list that counts now, which the epochs are sealed to. */
  list: number;
  /** Identities, one a line, that open what is there. */
  identity: Secret;
  signal: AbortSignal;
}

export type RotateEvent =
  | { kind: "sealed"; epoch: EpochName; object: string }
  /** It was sealed to this list before. */
  | { kind: "kept"; epoch: EpochName; object: string }
  | { kind: "removed"; object: string }
  /** Old keys still open it: under a lock, or this user may not remove it. */
  | { kind: "remains"; object: string; why: string };

/**
 * Seals the key of every epoch to the recipients that count now; data and chains stay as they are.
 * At every moment each epoch can be opened with an old or a new identity; run again, it goes on.
 */
export async function* rotateEpochs(options: RotateOptions): AsyncGenerator<RotateEvent, void> {
  const { store, list, signal } = options;
  if (list === 0)
    throw new DbctlError("usage", "Cannot rotate the keys: the recipients never changed", {
      remedy: "Add the new recipient (dbctl repo keys add) and remove the old one first",
    });
  for await (const epoch of listEpochs(store, { signal })) {
    const object = resealedKey(epoch, list);
    const sealings = await listEpochFiles(store, epoch, { signal });
    const isNew = sealings.every(({ key }) => key !== object);
    if (isNew) await reseal(epoch, object, options);
    yield { kind: isNew ? "sealed" : "kept", epoch, object };
    yield* removeOlder(sealings, { store, list, signal });
  }
}

/** Nothing older goes before somebody has shown that the new sealing opens. */
async function reseal(
  epoch: EpochName,
  object: string,
  { store, repository, identity, signal }: RotateOptions,
): Promise<void> {
  const file = await readEpoch(
    store,
    { repository: repository.id, ...epoch },
    { identity, signal },
  );
  const recipients = repository.recipients.map(({ recipient }) => recipient);
  const sealed = await sealEpochFile(file, recipients);
  await proveOpening(sealed, file, { identity, object });
  try {
    await store.put(object, [sealed], { signal });
  } catch (error) {
    // Another rotation was quicker: what it wrote is sealed to the same list.
    if (!(error instanceof DbctlError) || error.code !== "object-exists") throw error;
  }
  const stored = await readEpoch(
    store,
    { repository: repository.id, ...epoch },
    { identity, signal },
  );
  if (!isDeepStrictEqual(stored, file)) throw otherKey(object);
}

/** REPO-06: a key that nobody could try must not become the only one. */
async function proveOpening(
  sealed: Uint8Array,
  file: object,
  { identity, object }: { identity: Secret; object: string },
): Promise<void> {
  try {
    if (isDeepStrictEqual(await openEpochFile(sealed, identity, object), file)) return;
  } catch (cause) {
    if (!(cause instanceof DbctlError) || cause.code !== "identity-wrong") throw cause;
    throw new DbctlError(
      "identity-wrong",
      "Cannot rotate: no key of a recipient of now was tried",
      {
        remedy: "Give the identity of one of them as well: --identity OLD --identity NEW",
        cause,
      },
    );
  }
  throw otherKey(object);
}

function otherKey(object: string): DbctlError {
  return new DbctlError("internal-bug", `Cannot trust ${object}: it holds another key`, {
    remedy: "Report this with the output of the same command under DBCTL_DEBUG=1",
  });
}

async function* removeOlder(
  sealings: EpochObject[],
  { store, list, signal }: Pick<RotateOptions, "store" | "list" | "signal">,
): AsyncGenerator<RotateEvent, void> {
  for (const { key } of sealings.filter((one) => (one.list ?? 0) < list)) {
    try {
      await store.delete(key, { signal });
      yield { kind: "removed", object: key };
    } catch (error) {
      if (!(error instanceof DbctlError) || !stays.has(error.code)) throw error;
      yield { kind: "remains", object: key, why: error.message };
    }
  }
}

const stays = new Set(["object-locked", "store-denied"]);
