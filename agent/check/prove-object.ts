import type { Secret } from "../../core/secret.ts";
import { DbctlError } from "../../core/errors.ts";
import { ChunkCodec } from "../repository/chunk-codec.ts";
import { checkFrames } from "../repository/check-pack.ts";
import { damaged, isDamage } from "../repository/damage.ts";
import type { EpochKeys } from "../repository/epoch.ts";
import { epochKeysOf, maxEpochFileBytes, openEpochFile } from "../repository/epoch-file.ts";
import type { BackupHeader } from "../repository/manifest.ts";
import { type MarkKind, maxMarkBytes, parseMark } from "../repository/mark.ts";
import { mapKey, marksPrefix, recipientsKey } from "../repository/object-key.ts";
import { readEpoch } from "../repository/open-backup.ts";
import { openRepository } from "../repository/open-repository.ts";
import { readPackEnds, readPackIndex } from "../repository/pack.ts";
import { type ParsedKey, parseKey } from "../repository/parse-key.ts";
import type { BackupPlace } from "../repository/read-marks.ts";
import { readHeader } from "../repository/read-header.ts";
import { readObject } from "../repository/read-object.ts";
import { maxRecipientListBytes, parseRecipientList } from "../repository/recipient-list.ts";
import { readRemoval } from "../repository/removal.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { hashObject } from "./check-bytes.ts";
import type { LocalCopy } from "./local-copy.ts";

/** What is known of the objects that are to be healed. */
export interface Known {
  /** Which is to be healed. */
  healed: ObjectStore;
  repository: { id: string };
  identity: Secret | undefined;
  /** Readable headers of the instance, by backup: the repository's own, and then the copy's. */
  headers: ReadonlyMap<string, BackupHeader>;
  /** Hashes of manifests, as their successors name them. */
  hashes: ReadonlyMap<string, string>;
  signal: AbortSignal;
}

/** How an object was proved good: its bytes by a key or a signature, or its size and ends only. */
export type Proof = "opened" | "signed" | "size only";

/** Throws unless the copy of the object is what the repository needs there. */
export async function proveObject(local: LocalCopy, known: Known): Promise<Proof> {
  const parsed = parseKey(local.key);
  switch (parsed?.kind) {
    case "manifest":
      return await proveManifest(local, parsed, known);
    case "map":
      return await proveMap(local, parsed, known);
    case "pack":
      return await provePack(local, parsed, known);
    case "epoch":
    case "keys":
      return await proveKeys(local, parsed, known);
    case "mark":
    case "removal":
      return await proveWord(local, parsed, known);
    case "repository":
      return await proveRepository(local, known);
    case "probe":
    case "intent":
    case "prune":
    case undefined:
      throw damaged(local.key, "it is of no kind that can be put back");
  }
}

async function proveRepository(
  { key, store }: LocalCopy,
  { repository, signal }: Known,
): Promise<Proof> {
  const { id } = await openRepository(store, { signal });
  if (id !== repository.id) throw damaged(key, `it is of repository ${id}`);
  return "size only";
}

type Parsed<Kind> = Extract<ParsedKey, { kind: Kind }>;

async function proveManifest(
  { key, size, store }: LocalCopy,
  { id }: Parsed<"manifest">,
  { repository, headers, hashes, signal }: Known,
): Promise<Proof> {
  const { header, bodyAt, hash } = await readHeader(store, key, { signal });
  if (header.repository !== repository.id)
    throw damaged(key, `it belongs to repository ${header.repository}`);
  if ((hashes.get(id) ?? hash) !== hash)
    throw damaged(key, "it is not the one that the backup after it followed");
  const ofEpoch = headers.values().find((one) => one.epoch === header.epoch && one.id !== id);
  if (ofEpoch !== undefined && ofEpoch.signer !== header.signer)
    throw damaged(key, "it was signed by another host than the others of its epoch");
  const range = { offset: bodyAt, length: header.body.size };
  const whole = bodyAt + header.body.size === size;
  if (!whole || (await hashObject(store, key, { range, signal })).sha256 !== header.body.sha256)
    throw damaged(key, "its body is not the one that was signed");
  return "signed";
}

async function proveMap(
  { key, store }: LocalCopy,
  { id }: Parsed<"map">,
  { headers, signal }: Known,
): Promise<Proof> {
  const header = headers.get(id);
  const map = header?.maps.findIndex((_, n) => mapKey(header, n) === key) ?? -1;
  const signed = header?.maps[map];
  if (signed === undefined) throw damaged(key, "no manifest that can be read refers to it");
  if ((await hashObject(store, key, { signal })).sha256 === signed.sha256) return "signed";
  throw damaged(key, "it is not the one that was signed");
}

/** The index is sealed to the pack, every frame to its place and its epoch: that proves all of it. */
async function provePack(
  { key, size, store }: LocalCopy,
  { epoch, instance, pack }: Parsed<"pack">,
  { repository, identity, headers, signal }: Known,
): Promise<Proof> {
  const needed = headers
    .values()
    .filter((header) => header.epoch === epoch)
    .flatMap((header) => header.packs.filter((one) => one.pack === pack))
    .next().value;
  if (needed === undefined) throw damaged(key, "no manifest that can be read refers to it");
  if (needed.size !== size) throw damaged(key, `it has ${size} bytes instead of ${needed.size}`);
  await readPackEnds(store, { object: key, size }, { signal });
  if (identity === undefined) return "size only";
  const place = { repository: repository.id, instance, epoch };
  const keys = epochKeysOf(await readEpoch(store, place, { identity, signal }));
  await decodeAll({ store, epoch: keys, signal }, { key, pack, size });
  return "opened";
}

async function decodeAll(
  source: { store: ObjectStore; epoch: EpochKeys; signal: AbortSignal },
  { key, pack, size }: { key: string; pack: string; size: number },
): Promise<void> {
  const index = await readPackIndex(source, { pack, size });
  const refs = index.map(({ id, ...frame }) => {
    return { ...frame, pack, id: Buffer.from(id).toString("hex") };
  });
  const codec = new ChunkCodec(source.epoch);
  for await (const event of checkFrames({ ...source, codec }, refs))
    if ("what" in event) throw damaged(key, event.what);
}

/** Begins every age file: age-encryption.org/v1. */
const ageMagic = "age-encryption.org/v1\n";

async function proveKeys(
  { key, store }: LocalCopy,
  parsed: Parsed<"epoch" | "keys">,
  { repository, identity, headers, signal }: Known,
): Promise<Proof> {
  if (key.includes("/recipients/")) {
    const max = maxRecipientListBytes;
    const list = parseRecipientList(await readObject(store, key, { max, signal }), key);
    if (list.repository !== repository.id || recipientsKey(list.number) !== key)
      throw damaged(key, `it is list ${list.number} of repository ${list.repository}`);
    return "size only";
  }
  const [, , , epoch = parsed.kind === "epoch" ? parsed.epoch : ""] = key.split("/");
  const bytes = await readObject(store, key, { max: maxEpochFileBytes, signal });
  if (bytes.toString("latin1", 0, ageMagic.length) !== ageMagic)
    throw damaged(key, "it is no age file");
  if (identity === undefined) return "size only";
  const file = await openEpochFile(bytes, identity, key);
  const header = headers.values().find((one) => one.epoch === epoch);
  if (file.repository !== repository.id || file.epoch !== epoch)
    throw damaged(key, `it is the key of ${file.instance}, epoch ${file.epoch}`);
  if (header !== undefined && header.signer !== file.signer)
    throw damaged(key, "it names another signer than the backups of its epoch");
  return "opened";
}

async function proveWord(
  local: LocalCopy,
  parsed: Parsed<"mark" | "removal">,
  { healed, repository, signal }: Known,
): Promise<Proof> {
  const { key, store } = local;
  const place = { repository: repository.id, ...parsed };
  if (parsed.kind === "removal") await readRemoval(store, place, { signal });
  else {
    const bytes = await readObject(store, key, { max: maxMarkBytes, signal });
    const { mark } = parseMark(bytes, { ...place, number: parsed.number }, key);
    await proveMark(local, mark, { healed, place, signal });
  }
  return "size only";
}

/** Marks after which a backup may go. */
const loosening = new Set<MarkKind>(["delete", "release", "remove"]);

/**
 * A copy may have marks of its own: what was deleted or removed there must not be here. Marks are
 * copied as one history, so a later one that is the same in both proves those before it.
 */
async function proveMark(
  { key, store }: LocalCopy,
  mark: MarkKind,
  { healed, place, signal }: { healed: ObjectStore; place: BackupPlace; signal: AbortSignal },
): Promise<void> {
  const theirs = await hashesOf(store, place, { signal });
  let isProved = false;
  for (const [other, hash] of await hashesOf(healed, place, { signal })) {
    if (other <= key) continue;
    if (theirs.get(other) !== hash) throw damaged(key, "the copy has marks of its own");
    isProved = true;
  }
  if (isProved || !loosening.has(mark)) return;
  throw damaged(key, `it says "${mark}", and nothing proves that this was said here`);
}

/** SHA-256 of each mark of a backup, by key. */
async function hashesOf(
  store: ObjectStore,
  place: BackupPlace,
  { signal }: { signal: AbortSignal },
): Promise<Map<string, string>> {
  const hashes = new Map<string, string>();
  for await (const { key } of store.list(marksPrefix(place), { signal }))
    hashes.set(key, (await hashObject(store, key, { signal })).sha256);
  return hashes;
}

/** Whether the error says that this copy is no good, or that there is none. */
export function isNoGood(error: unknown): error is DbctlError {
  const code = error instanceof DbctlError ? error.code : undefined;
  return isDamage(error) || code === "identity-wrong";
}
