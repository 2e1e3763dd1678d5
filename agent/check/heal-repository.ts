import { DbctlError } from "../../core/errors.ts";
import { damageOf } from "../repository/damage.ts";
import { findEpochFile } from "../repository/find-epoch-file.ts";
import type { BackupHeader } from "../repository/manifest.ts";
import { removedKey } from "../repository/object-key.ts";
import { parseKey } from "../repository/parse-key.ts";
import type { ObjectStore } from "../store/object-store.ts";
import type { Finding, FindingKind } from "./finding.ts";
import { listInstances } from "./instance-objects.ts";
import { fetchLocalCopy, type LocalCopy } from "./local-copy.ts";
import { isNoGood, type Known, type Proof, proveObject } from "./prove-object.ts";
import { readHeaders } from "./read-headers.ts";

export interface HealRequest {
  store: ObjectStore;
  /** A copy of the same repository. */
  copy: ObjectStore;
  repository: { id: string };
  /** Proves packs by reading all of them; without it, by their sizes and ends only. */
  identity: Known["identity"];
  findings: readonly Finding[];
  /** Fetches and proves, and puts nothing. */
  isDryRun: boolean;
  signal: AbortSignal;
}

export type Healed =
  | { object: string; state: "healed" | "healable"; proof: Proof; bytes: number }
  | { object: string; state: "not-healed"; why: string };

/**
 * Puts good copies in the place of what is missing or damaged. Each is fetched to a file and proved
 * before anything is removed; a crash between removing and putting leaves a missing object, which
 * the next run puts back.
 */
export async function* healRepository(request: HealRequest): AsyncGenerator<Healed, void> {
  const damages = request.findings.filter(({ severity }) => severity === "damage");
  const objects = Map.groupBy(damages, ({ object }) => object);
  for (const [instance, keys] of Map.groupBy(objects.keys(), instanceOf)) {
    let known = await whatIsKnown(request, instance);
    for (const key of keys.toSorted((a, b) => rank(a) - rank(b))) {
      const kinds = (objects.get(key) ?? []).map(({ kind }) => kind);
      const healed = await healObject(request, { key, kinds }, known);
      yield healed;
      // A manifest that was put back tells what its maps and packs are.
      if (parseKey(key)?.kind === "manifest") known = await whatIsKnown(request, instance);
    }
  }
}

function instanceOf(key: string): string {
  const parsed = parseKey(key);
  if (parsed !== undefined && "instance" in parsed) return parsed.instance;
  const [folder = "", kind, instance = ""] = key.split("/");
  return kind === "epochs" ? instance : folder;
}

const order = ["repository", "removal", "keys", "epoch", "manifest", "map", "pack"];

/** What others are proved by comes first. */
function rank(key: string): number {
  return order.indexOf(parseKey(key)?.kind ?? "");
}

/** Headers of both repositories; where both have one, ours counts. */
async function whatIsKnown(
  { store, copy, repository, identity, signal }: HealRequest,
  instance: string,
): Promise<Known> {
  const headers = new Map<string, BackupHeader>();
  const hashes = new Map<string, string>();
  for (const side of [copy, store])
    for await (const objects of listInstances(side, { found: () => {}, only: instance, signal })) {
      const read = await readHeaders(side, objects, { repository: repository.id, signal });
      for (const { header } of read.headers) {
        headers.set(header.id, header);
        if (header.previous !== null) hashes.set(header.previous.id, header.previous.hash);
      }
    }
  return { healed: store, repository, identity, headers, hashes, signal };
}

/** What a good copy cannot mend. */
const incurable: Partial<Record<FindingKind, string>> = {
  forked: "both lines of backups are whole: find out which host is the right one",
  "broken-chain": "a copy would say the same",
  foreign: "somebody made it: find out who, and remove it",
};

async function healObject(
  request: HealRequest,
  { key, kinds }: { key: string; kinds: readonly FindingKind[] },
  known: Known,
): Promise<Healed> {
  const notHealed = (why: string): Healed => ({ object: key, state: "not-healed", why });
  const why = kinds.map((kind) => incurable[kind]).find((reason) => reason !== undefined);
  if (why !== undefined) return notHealed(why);
  if (await isRemoved(request, key)) return notHealed("a prune has removed its backup");
  const isShut = kinds.includes("unopenable");
  if (isShut && !(await isOneSealing(request, key))) return notHealed(otherKey);
  await using stack = new AsyncDisposableStack();
  let good: { local: LocalCopy; proof: Proof };
  try {
    const wanted = await keyIn(request.copy, key, request);
    const local = stack.use(await fetchLocalCopy(request.copy, wanted, request));
    good = { local, proof: await proveObject(local, known) };
  } catch (error) {
    if (!isNoGood(error)) throw error;
    if (isShut && error.code === "identity-wrong") return notHealed(otherKey);
    const what = error.code === "object-missing" ? "it is not there" : damageOf(key, error);
    return notHealed(`in the copy: ${what}`);
  }
  const { local, proof } = good;
  const healed = { object: local.key, proof, bytes: local.size };
  if (request.isDryRun) return { ...healed, state: "healable" };
  try {
    await replace(request, local);
    return { ...healed, state: "healed" };
  } catch (error) {
    if (!(error instanceof DbctlError) || error.code !== "object-locked") throw error;
    return notHealed(error.message);
  }
}

/** A manifest that came back after a prune is not to be put back once more. */
async function isRemoved({ store, signal }: HealRequest, key: string): Promise<boolean> {
  const parsed = parseKey(key);
  if (parsed?.kind !== "manifest") return false;
  return (await store.head(removedKey(parsed), { signal })) !== undefined;
}

/** After a rotation, an epoch's key is in its latest sealing. */
async function keyIn(
  store: ObjectStore,
  key: string,
  { signal }: { signal: AbortSignal },
): Promise<string> {
  const parsed = parseKey(key);
  if (parsed?.kind !== "epoch") return key;
  return (await findEpochFile(store, parsed, { signal }))?.key ?? key;
}

const otherKey = "another key is needed, not another copy";

/**
 * Whether both have the epoch's key in one object: then a key that opens the copy's shows that ours
 * is damaged. Another sealing may be one that a rotation has ended, and must not come back.
 */
async function isOneSealing(request: HealRequest, key: string): Promise<boolean> {
  const { store, copy } = request;
  return (await keyIn(store, key, request)) === (await keyIn(copy, key, request));
}

async function replace({ store, signal }: HealRequest, local: LocalCopy): Promise<void> {
  const { key, size } = local;
  const bulk = parseKey(key)?.kind === "pack";
  // Objects are created once: what is damaged has to go first.
  if ((await store.head(key, { signal })) !== undefined) await store.delete(key, { signal });
  const put = await store.put(key, local.read(), { bulk, signal });
  if (put.size !== size)
    throw new DbctlError("store-io", `Cannot heal ${key}: the store kept ${put.size} bytes`, {
      remedy: "Check the store, then run it again",
    });
}
