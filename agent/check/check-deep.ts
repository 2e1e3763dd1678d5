import type { Secret } from "../../core/secret.ts";
import { DbctlError } from "../../core/errors.ts";
import { packsOf } from "../repository/check-there.ts";
import type { CheckDepth } from "../repository/check-depth.ts";
import { epochKeysOf } from "../repository/epoch-file.ts";
import type { BackupHeader } from "../repository/manifest.ts";
import { epochKey, packPrefix } from "../repository/object-key.ts";
import { readEpoch } from "../repository/open-backup.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { verifyBackups } from "../verify/verify-backups.ts";
import { damageAt, type Finding } from "./finding.ts";
import { findSwappedMap, findSwappedPack } from "./find-swapped.ts";
import { hitBy } from "./read-headers.ts";

export interface DeepCheck {
  store: ObjectStore;
  repository: { id: string };
  identity: Secret;
  depth: CheckDepth;
  signal: AbortSignal;
}

/** Bytes and chunks that were decoded from an object. */
export interface Looked {
  object: string;
  bytes: number;
  chunks: number;
}

/** Opens, reads and decodes what the backups of one epoch need, as far as the depth goes. */
export async function* checkDeep(
  check: DeepCheck,
  headers: readonly BackupHeader[],
): AsyncGenerator<Finding | Looked, void> {
  const { identity, ...rest } = check;
  const found: Finding[] = [];
  try {
    for await (const event of verifyBackups({ ...rest, headers, keys: { identity } })) {
      if (event.kind === "damage") found.push(findingOf(event.damage));
      else yield { object: event.object, bytes: event.bytes, chunks: event.chunks };
    }
  } catch (error) {
    if (!(error instanceof DbctlError) || error.code !== "identity-wrong") throw error;
    const [first] = headers;
    const what = "the key that was given does not open it: nothing of the epoch was read";
    if (first !== undefined)
      yield damageAt(epochKey(first), ["unopenable", what], headers.map(hitBy));
    return;
  }
  yield* await nameSwapped(check, headers, found);
}

function findingOf(damage: Omit<Finding, "kind" | "severity"> & { how: Finding["kind"] }): Finding {
  const { how, ...rest } = damage;
  const isOther = rest.what.startsWith("it is the key of");
  return { ...rest, kind: isOther ? "swapped" : how, severity: "damage" };
}

/** Of what is not what it should be: whether it is something else of ours. */
async function nameSwapped(
  check: DeepCheck,
  headers: readonly BackupHeader[],
  found: readonly Finding[],
): Promise<Finding[]> {
  const named: Finding[] = [];
  for (const [object, findings] of Map.groupBy(found, (finding) => finding.object)) {
    const isOfWhole = findings.some(
      ({ kind, offset }) => kind !== "missing" && offset === undefined,
    );
    const other = isOfWhole ? await findOther(check, headers, object) : undefined;
    if (other === undefined) named.push(...findings);
    else named.push(swapped(object, other, findings));
  }
  return named;
}

async function findOther(
  { store, repository, identity, signal }: DeepCheck,
  headers: readonly BackupHeader[],
  object: string,
): Promise<string | undefined> {
  const [first] = headers;
  if (/\/map-\d+$/.test(object))
    return await findSwappedMap(store, { key: object, headers }, { signal });
  if (first === undefined || !object.startsWith(packPrefix(first))) return undefined;
  const place = { ...first, repository: repository.id };
  const epoch = epochKeysOf(await readEpoch(store, place, { identity, signal }));
  const packs = new Map([...packsOf(headers)].map(([pack, { size }]) => [pack, size]));
  const pack = object.slice(packPrefix(first).length);
  const other = await findSwappedPack(store, { epoch, pack, packs }, { signal });
  return other === undefined ? undefined : packPrefix(first) + other;
}

function swapped(object: string, other: string, findings: readonly Finding[]): Finding {
  const backups = Map.groupBy(
    findings.filter(({ losesRows }) => losesRows).flatMap((finding) => finding.backups),
    ({ id }) => id,
  );
  const all = [...backups.values()].flatMap((hits) => {
    const [hit] = hits;
    if (hit === undefined) return [];
    const tables = [...new Set(hits.flatMap((one) => one.tables))];
    return [{ ...hit, tables, streams: [...new Set(hits.flatMap((one) => one.streams))] }];
  });
  return damageAt(object, ["swapped", `it is ${other}, at another place`], all);
}
