import { DbctlError } from "../../core/errors.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { parseControl } from "./control-json.ts";
import { damaged } from "./damage.ts";
import { instancePattern, newRandomId, randomIdPattern, timedIdPattern } from "./identifier.ts";
import {
  count,
  hex32,
  isoTime,
  label,
  list,
  oneOf,
  record,
  type Shape,
  text,
} from "./json-shape.ts";
import { pruneKey } from "./object-key.ts";
import { readObject } from "./read-object.ts";

/** What a prune saw, for the next one. All times by the pruners' clock. docs/format.md. */
export interface PruneRecord {
  format: 1;
  repository: string;
  number: number;
  /** Of this one record, so that its writer knows it again. */
  id: string;
  at: string;
  by: string;
  epochs: EpochSighting[];
  /** So that records of old removals need not be read. */
  chains: ChainEnd[];
  seen: Sighting[];
}

/** The highest number that a signer has used, and in which epoch. Of all backups that ever were. */
export interface ChainEnd {
  instance: string;
  signer: string;
  epoch: string;
  sequence: number;
  /** Whether any number was used twice. */
  forked: boolean;
}

export interface EpochSighting {
  instance: string;
  epoch: string;
  firstSeen: string;
  /** Since when nothing was added to it. */
  unchangedSince: string;
  /** Of all backups that ever were in it. */
  signers: string[];
  /** SHA-256 of the sorted keys of its manifests, running intents and packs, without `seen`. */
  fingerprint: string;
}

/** Objects that nothing needs, or that may be left over, and since when each was seen so. */
export interface Sighting {
  since: string;
  objects: string[];
}

const maxBytes = 256 << 20;

export async function readPruneRecord(
  store: ObjectStore,
  { repository, number }: { repository: string; number: number },
  { signal }: { signal: AbortSignal },
): Promise<PruneRecord> {
  const key = pruneKey(number);
  const bytes = await readObject(store, key, { max: maxBytes, signal });
  const found = parseControl(bytes, { shape: pruneShape, name: "prune", object: key });
  if (found.repository !== repository) throw damaged(key, "it is of another repository");
  if (found.number !== number) throw damaged(key, `it is record ${found.number}`);
  return found;
}

/** Creates the next record; `busy` when another prune was faster. */
export async function putPruneRecord(
  store: ObjectStore,
  content: Omit<PruneRecord, "format" | "id">,
  { signal }: { signal: AbortSignal },
): Promise<void> {
  const { repository, number } = content;
  const next: PruneRecord = { format: 1, ...content, id: newRandomId() };
  const bytes = Buffer.from(`${JSON.stringify(pruneShape(next, "prune"))}\n`);
  try {
    await store.put(pruneKey(number), [bytes], { signal });
  } catch (error) {
    if (!(error instanceof DbctlError) || error.code !== "object-exists") throw error;
    const there = await readPruneRecord(store, { repository, number }, { signal });
    if (there.id === next.id) return;
    throw new DbctlError("busy", "Cannot prune: another prune has begun at the same time", {
      remedy: `Wait for the one that ${there.by} began at ${there.at}, then run it again`,
      retryable: true,
      cause: error,
    });
  }
}

const truth: Shape<boolean> = (value, where) => {
  if (typeof value !== "boolean") throw new SyntaxError(`${where} must be true or false`);
  return value;
};

const many = { max: 16_000_000 };

const pruneShape = record<PruneRecord>({
  format: oneOf(1),
  repository: text(randomIdPattern),
  number: count,
  id: text(randomIdPattern),
  at: isoTime,
  by: label,
  epochs: list(
    record<EpochSighting>({
      instance: text(instancePattern),
      epoch: text(timedIdPattern),
      firstSeen: isoTime,
      unchangedSince: isoTime,
      signers: list(hex32, many),
      fingerprint: hex32,
    }),
    many,
  ),
  chains: list(
    record<ChainEnd>({
      instance: text(instancePattern),
      signer: hex32,
      epoch: text(timedIdPattern),
      sequence: count,
      forked: truth,
    }),
    many,
  ),
  seen: list(
    record<Sighting>({ since: isoTime, objects: list(text(/^[\w.=~+/-]{1,900}$/), many) }),
    many,
  ),
});
