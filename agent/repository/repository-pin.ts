import { createHash } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { DbctlError } from "../../core/errors.ts";
import { readSecretFile, writeSecretFile } from "../../core/secret-file.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { isoTime, label, oneOf, record } from "./json-shape.ts";
import { openRepository, type RepositoryInfo, repositoryInfoShape } from "./open-repository.ts";

/**
 * What a host knows of a repository by itself. A host that may only create needs it, because it
 * cannot read `repository.json`; every other host compares it with what the store says, because who
 * holds the store could name recipients of their own.
 */
export interface RepositoryPin {
  format: 1;
  /** `addressOf` the repository's URL. */
  address: string;
  pinned: string;
  repository: RepositoryInfo;
}

interface Place {
  /** Folder of all states of this host. */
  stateDir: string;
  /** URL of the repository. */
  url: string;
}

/**
 * The repository, for sealing to its recipients. The first use of a repository that may be read pins
 * it; from then on another id or other recipients are refused (`identity-wrong`). Where reading is
 * denied, the pin is what counts; without one, `store-denied`.
 */
export async function openPinnedRepository(
  store: ObjectStore,
  { now, signal, ...place }: Place & { now: Date; signal: AbortSignal },
): Promise<RepositoryInfo> {
  const pin = await readPin(place);
  let repository: RepositoryInfo;
  try {
    repository = await openRepository(store, { signal });
  } catch (error) {
    if (!(error instanceof DbctlError) || error.code !== "store-denied") throw error;
    if (pin === undefined) throw notPinned(place.url, error);
    return pin.repository;
  }
  if (pin === undefined) await writePin(repository, { ...place, now });
  else refuseChange(pin.repository, repository, place.url);
  return repository;
}

/** Throws `identity-wrong` unless both are one repository with the same recipients. */
export function refuseChange(pinned: RepositoryInfo, found: RepositoryInfo, url: string): void {
  const what = differences(pinned, found).join(", ");
  if (what === "") return;
  throw new DbctlError("identity-wrong", `Cannot trust ${url}: ${what}`, {
    remedy: "If this is as it should be (dbctl repo keys ls shows it), run dbctl repo pin again",
  });
}

function differences(pinned: RepositoryInfo, found: RepositoryInfo): string[] {
  if (pinned.id !== found.id)
    return [`it is repository ${found.id}, and ${pinned.id} is pinned here`];
  const [known, now] = [pinned, found].map(
    ({ recipients }) => new Set(recipients.map(({ recipient }) => recipient)),
  );
  const added = [...(now ?? [])].filter((one) => known?.has(one) !== true);
  const gone = [...(known ?? [])].filter((one) => now?.has(one) !== true);
  return [
    ...added.map((one) => `recipient ${one} was added since it was pinned here`),
    ...gone.map((one) => `recipient ${one} is gone since it was pinned here`),
  ];
}

/**
 * Follows a change of the recipients that was made here. A pin of other recipients than those before
 * the change stays as it is: its next use is refused.
 */
export async function movePin(
  { from, to }: { from: RepositoryInfo; to: RepositoryInfo },
  place: Place & { now: Date },
): Promise<void> {
  const pin = await readPin(place);
  if (pin !== undefined && differences(pin.repository, from).length === 0)
    await writePin(to, place);
}

export async function readPin({ stateDir, url }: Place): Promise<RepositoryPin | undefined> {
  const path = pathOf(stateDir, url);
  const json = await readSecretFile(path);
  if (json === undefined) return undefined;
  try {
    return pinShape(JSON.parse(json), "pin");
  } catch (cause) {
    throw new DbctlError("system-failed", `Cannot use ${path}: ${(cause as Error).message}`, {
      remedy: "Pin the repository again with dbctl repo pin",
      cause,
    });
  }
}

/** From now on this is what this host expects at the URL. */
export async function writePin(
  repository: RepositoryInfo,
  { stateDir, url, now }: Place & { now: Date },
): Promise<void> {
  const path = pathOf(stateDir, url);
  const pin: RepositoryPin = {
    format: 1,
    address: addressOf(url),
    pinned: now.toISOString(),
    repository,
  };
  try {
    await mkdir(join(stateDir, pinsFolder), { recursive: true, mode: 0o700 });
  } catch (cause) {
    const { message } = cause as Error;
    throw new DbctlError("cannot-create", `Cannot make the state folder ${stateDir}: ${message}`, {
      remedy: "Name a folder that dbctl's user may write to in DBCTL_STATE_DIR",
      cause,
    });
  }
  await writeSecretFile(path, `${JSON.stringify(pin, undefined, 2)}\n`);
}

const pinsFolder = "pins";

function pathOf(stateDir: string, url: string): string {
  const name = createHash("sha256").update(addressOf(url)).digest("hex").slice(0, 32);
  return join(stateDir, pinsFolder, `${name}.json`);
}

/** The part of a repository's URL that says where it is, not how it is used. */
export function addressOf(url: string): string {
  const [, scheme = "", path = "", query = ""] = /^([^:/?#]*):([^?#]*)\??([^#]*)/.exec(url) ?? [];
  const parameters = new URLSearchParams(query);
  const server = ["endpoint", "account"]
    .filter((name) => parameters.has(name))
    .map((name) => `${name}=${parameters.get(name)}`);
  const place = `${scheme.toLowerCase()}:${path.replace(/\/+$/, "")}`;
  return [place, ...server].join("?");
}

const pinShape = record<RepositoryPin>({
  format: oneOf(1),
  address: label,
  pinned: isoTime,
  repository: repositoryInfoShape,
});

function notPinned(url: string, cause: DbctlError): DbctlError {
  const what = "it may not be read, and this host has not pinned it";
  return new DbctlError("store-denied", `Cannot open ${url}: ${what} (${cause.message})`, {
    remedy:
      "Where it may be read, run dbctl repo show URL --json > repository.json; " +
      "here, dbctl repo pin URL --file repository.json",
    cause,
  });
}
