import { DbctlError } from "../../core/errors.ts";
import { Secret } from "../../core/secret.ts";
import { maxEpochFileBytes, openEpochFile } from "../repository/epoch-file.ts";
import { type EpochObject, listEpochFiles } from "../repository/find-epoch-file.ts";
import { recipientOf } from "../repository/held-identity.ts";
import type { RepositoryInfo } from "../repository/open-repository.ts";
import { readObject } from "../repository/read-object.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { type EpochName, listEpochs } from "./list-epochs.ts";

/** What was found out about one epoch's key. */
export interface EpochCheck extends EpochName {
  /** When it began, if it could be opened. */
  created: string | undefined;
  /** The list that its latest sealing is for; undefined: as its host sealed it. */
  list: number | undefined;
  /** Recipients, of the identities that were given, that open its latest sealing. */
  openedBy: string[];
  /** Earlier sealings that are still there: keys of before open them. */
  older: string[];
  /** Why it cannot be read, when that is not for want of a key. */
  damage: string | undefined;
}

/** Tries to open every epoch with every identity that is given (REPO-07). */
export async function* checkKeys(
  { store, repository }: { store: ObjectStore; repository: RepositoryInfo },
  { identity, signal }: { identity: Secret | undefined; signal: AbortSignal },
): AsyncGenerator<EpochCheck, void> {
  const identities = identity?.reveal().split("\n") ?? [];
  const held = await Promise.all(
    identities.map(async (one) => {
      const secret = new Secret(one);
      return { identity: secret, recipient: await recipientOf(secret) };
    }),
  );
  for await (const epoch of listEpochs(store, { signal }))
    yield await checkEpoch({ store, repository, held, signal }, epoch);
}

interface Checking {
  store: ObjectStore;
  repository: RepositoryInfo;
  held: readonly { identity: Secret; recipient: string }[];
  signal: AbortSignal;
}

async function checkEpoch(
  { store, repository, held, signal }: Checking,
  epoch: EpochName,
): Promise<EpochCheck> {
  const sealings = await listEpochFiles(store, epoch, { signal });
  const latest = sealings.at(-1);
  const older = sealings.slice(0, -1).map(({ key }) => key);
  const check = { ...epoch, created: undefined, list: latest?.list, openedBy: [], older };
  if (latest === undefined) return { ...check, damage: "it is not there any more" };
  return { ...check, ...(await tryAll({ store, repository, held, signal }, epoch, latest)) };
}

async function tryAll(
  { store, repository, held, signal }: Checking,
  epoch: EpochName,
  { key }: EpochObject,
): Promise<Pick<EpochCheck, "created" | "openedBy" | "damage">> {
  const openedBy: string[] = [];
  let created: string | undefined;
  try {
    const sealed = await readObject(store, key, { max: maxEpochFileBytes, signal });
    for (const { identity, recipient } of held) {
      const file = await openEpochFile(sealed, identity, key).catch(undefinedIfWrong);
      if (file === undefined) continue;
      const place = [file.repository, file.instance, file.epoch].join(" ");
      if (place !== [repository.id, epoch.instance, epoch.epoch].join(" "))
        return { created, openedBy, damage: `it is the key of ${place}` };
      openedBy.push(recipient);
      created = file.created;
    }
    return { created, openedBy, damage: undefined };
  } catch (error) {
    if (!(error instanceof DbctlError) || !damages.has(error.code)) throw error;
    return { created, openedBy, damage: error.message };
  }
}

const damages = new Set(["repository-damaged", "object-missing"]);

function undefinedIfWrong(error: unknown): undefined {
  if (!(error instanceof DbctlError) || error.code !== "identity-wrong") throw error;
}
