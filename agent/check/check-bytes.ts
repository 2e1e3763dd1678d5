import { createHash } from "node:crypto";
import { isDamage, damageOf } from "../repository/damage.ts";
import type { BackupHeader } from "../repository/manifest.ts";
import { manifestKey, mapKey, packKey } from "../repository/object-key.ts";
import { readPackEnds } from "../repository/pack.ts";
import { packsOf } from "../repository/check-there.ts";
import { readHeader } from "../repository/read-header.ts";
import type { ByteRange, ObjectStore } from "../store/object-store.ts";
import { damageAt, type Finding } from "./finding.ts";
import { hitBy } from "./read-headers.ts";

interface Options {
  /** Objects that something was said of already. */
  known: ReadonlySet<string>;
  signal: AbortSignal;
}

/**
 * As much of one epoch as can be checked without a key: the bytes of maps and of manifests' bodies
 * by the hashes in the signed headers; of packs, that they begin and end as packs do.
 */
export async function* checkBytes(
  store: ObjectStore,
  headers: readonly BackupHeader[],
  { known, signal }: Options,
): AsyncGenerator<Finding | { object: string; bytes: number }, void> {
  const byId = new Map(headers.map((header) => [header.id, header]));
  for (const header of headers) {
    const body = manifestKey(header);
    if (!known.has(body)) yield await checkBody(store, header, { signal });
    for (const [map, { sha256 }] of header.maps.entries()) {
      const key = mapKey(header, map);
      if (!known.has(key)) yield await checkHash(store, { key, sha256, hit: [header] }, { signal });
    }
  }
  for (const [pack, { size, ids }] of packsOf(headers)) {
    const [first] = headers;
    if (first === undefined || known.has(packKey(first, pack))) continue;
    const hit = ids.flatMap((id) => byId.get(id) ?? []);
    const key = packKey(first, pack);
    yield await judge({ key, hit }, async () => {
      await readPackEnds(store, { object: key, size }, { signal });
      return 0;
    });
  }
}

async function checkBody(
  store: ObjectStore,
  header: BackupHeader,
  { signal }: { signal: AbortSignal },
): Promise<Finding | { object: string; bytes: number }> {
  const key = manifestKey(header);
  const { sha256, size } = header.body;
  return await judge({ key, hit: [header] }, async () => {
    const { bodyAt } = await readHeader(store, key, { signal });
    const range = { offset: bodyAt, length: size };
    const found = await hashObject(store, key, { range, signal });
    return found.sha256 === sha256 ? found.bytes : "its body is not the one that was signed";
  });
}

interface Hashed {
  key: string;
  sha256: string;
  hit: readonly BackupHeader[];
}

async function checkHash(
  store: ObjectStore,
  { key, sha256, hit }: Hashed,
  { signal }: { signal: AbortSignal },
): Promise<Finding | { object: string; bytes: number }> {
  return await judge({ key, hit }, async () => {
    const found = await hashObject(store, key, { signal });
    return found.sha256 === sha256 ? found.bytes : "it is not the one that was signed";
  });
}

/** `check` gives the bytes that it read, or says what is wrong. */
async function judge(
  { key, hit }: Pick<Hashed, "key" | "hit">,
  check: () => Promise<number | string>,
): Promise<Finding | { object: string; bytes: number }> {
  try {
    const found = await check();
    if (typeof found === "number") return { object: key, bytes: found };
    return damageAt(key, ["flipped", found], hit.map(hitBy));
  } catch (error) {
    if (!isDamage(error)) throw error;
    const kind = error.code === "object-missing" ? "missing" : "flipped";
    return damageAt(key, [kind, damageOf(key, error)], hit.map(hitBy));
  }
}

/** SHA-256 of an object or a range of it, hexadecimal, in bounded memory. */
export async function hashObject(
  store: ObjectStore,
  key: string,
  options: { range?: ByteRange; signal: AbortSignal },
): Promise<{ sha256: string; bytes: number }> {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const piece of store.get(key, options)) {
    hash.update(piece);
    bytes += piece.length;
  }
  return { sha256: hash.digest("hex"), bytes };
}
