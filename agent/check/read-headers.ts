import { damageOf, isDamage } from "../repository/damage.ts";
import { inParallel } from "../repository/in-parallel.ts";
import type { BackupHeader } from "../repository/manifest.ts";
import { manifestKey } from "../repository/object-key.ts";
import { readHeader } from "../repository/read-header.ts";
import { sizeFault } from "../repository/check-there.ts";
import type { ObjectInfo, ObjectStore } from "../store/object-store.ts";
import { damageAt, type Finding } from "./finding.ts";
import type { InstanceObjects } from "./instance-objects.ts";

/** A manifest that is ours, at its place, and signed. */
export interface ReadHeader {
  header: BackupHeader;
  hash: string;
  info: ObjectInfo;
}

/** Manifests that are read at once. */
const readers = 8;

interface Options {
  /** The repository's id. */
  repository: string;
  signal: AbortSignal;
}

/** The headers of all manifests of an instance; a manifest that cannot be used is a finding. */
export async function readHeaders(
  store: ObjectStore,
  objects: InstanceObjects,
  options: Options,
): Promise<{ headers: ReadHeader[]; findings: Finding[] }> {
  const headers: ReadHeader[] = [];
  const findings: Finding[] = [];
  await inParallel(objects.manifests.values(), readers, async (info) => {
    try {
      const { header, bodyAt, hash } = await readHeader(store, info.key, options);
      const expected = bodyAt + header.body.size;
      const what = `it belongs to repository ${header.repository}`;
      if (header.repository !== options.repository)
        findings.push(damageAt(info.key, ["foreign", what]));
      else {
        headers.push({ header, hash, info });
        if (info.size !== expected) findings.push(missized(header, { expected, found: info.size }));
      }
    } catch (error) {
      if (!isDamage(error)) throw error;
      if (await isGone(store, info.key, options)) return;
      findings.push(unreadable(objects, info.key, damageOf(info.key, error)));
    }
  });
  headers.sort((a, b) => (a.header.id < b.header.id ? -1 : 1));
  return { headers, findings };
}

/** A prune may have removed it since it was listed. */
async function isGone(store: ObjectStore, key: string, { signal }: Options): Promise<boolean> {
  return (await store.head(key, { signal })) === undefined;
}

function missized(
  header: BackupHeader,
  { expected, found }: { expected: number; found: number },
): Finding {
  const { how, what } = sizeFault(expected, found);
  return damageAt(manifestKey(header), [how, what], [hitBy(header)]);
}

/** A manifest of another place is a copy when the one at its own place is there. */
function unreadable(objects: InstanceObjects, key: string, what: string): Finding {
  const [, instance, id = ""] = /^it is the manifest of (\S+), backup (\S+)$/.exec(what) ?? [];
  if (instance === undefined) return damageAt(key, ["flipped", what]);
  const isCopy = instance === objects.instance && objects.manifests.has(id);
  return damageAt(key, [isCopy ? "duplicated" : "swapped", what]);
}

/** The backup as a whole: which of its rows are lost is not known. */
export function hitBy({ id, source }: BackupHeader) {
  return { id, database: `${source.host}/${source.database}`, tables: [], streams: [] };
}
