import { isDeepStrictEqual } from "node:util";
import { DbctlError } from "../../core/errors.ts";
import type { Secret } from "../../core/secret.ts";
import { isDamage } from "../repository/damage.ts";
import { readEpoch } from "../repository/open-backup.ts";
import { type EpochFile, openEpochFile, sealEpochFile } from "../repository/epoch-file.ts";
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
 * At every moment each epoch can be opened with an old or a new identity; run again, it goes on. An
 * epoch that cannot be opened stays as it is, and is thrown when all others are done: what one host
 * has put must not keep the old keys of all others alive.
 */
export async function* rotateEpochs(options: RotateOptions): AsyncGenerator<RotateEvent, void> {
  const { store, list, signal } = options;
  if (list === 0)
    throw new DbctlError("usage", "Cannot rotate the keys: the recipients never changed", {
      remedy: "Add the new recipient (dbctl repo keys add) and remove the old one first",
    });
  const failures: DbctlError[] = [];
  for await (const epoch of listEpochs(store, { signal })) {
    const object = resealedKey(epoch, list);
    const sealings = await listEpochFiles(store, epoch, { signal });
    const isNew = sealings.every(({ key }) => key !== object);
    if (isNew) {
      const file = await readOrNote(epoch, options, failures);
      if (file === undefined) continue;
      await reseal(file, object, options);
    }
    yield { kind: isNew ? "sealed" : "kept", epoch, object };
    yield* removeOlder(sealings, { store, list, signal });
  }
  if (failures.length > 0) throw notAll(failures);
}

async function readOrNote(
  epoch: EpochName,
  { store, repository, identity, signal }: RotateOptions,
  failures: DbctlError[],
): Promise<EpochFile | undefined> {
  const place = { repository: repository.id, ...epoch };
  try {
    return await readEpoch(store, place, { identity, signal });
  } catch (error) {
    const isWrong = error instanceof DbctlError && error.code === "identity-wrong";
    if (!isWrong && !isDamage(error)) throw error;
    failures.push(error);
    return undefined;
  }
}

/** Of many, so many are named. */
const named = 5;

function notAll(failures: readonly DbctlError[]): DbctlError {
  const [first] = failures;
  const shown = failures.slice(0, named).map(({ message }) => message);
  const more = failures.length > named ? [`and ${failures.length - named} more`] : [];
  const what = `${failures.length} cannot be opened. ${[...shown, ...more].join("; ")}`;
  return new DbctlError(
    first?.code ?? "repository-damaged",
    `Cannot rotate the keys of all epochs: ${what}`,
    {
      remedy: "The others are done. Look at these with dbctl repo keys check, then run it again",
      cause: first,
    },
  );
}

/** Nothing older goes before somebody has shown that the new sealing opens. */
async function reseal(
  file: EpochFile,
  object: string,
  { store, repository, identity, signal }: RotateOptions,
): Promise<void> {
  const recipients = repository.recipients.map(({ recipient }) => recipient);
  const sealed = await sealEpochFile(file, recipients);
  await proveOpening(sealed, file, { identity, object });
  try {
    await store.put(object, [sealed], { signal });
  } catch (error) {
    // Another rotation was quicker: what it wrote is sealed to the same list.
    if (!(error instanceof DbctlError) || error.code !== "object-exists") throw error;
  }
  const stored = await readEpoch(store, file, { identity, signal });
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
