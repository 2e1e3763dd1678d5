import type { ListObjectVersionsCommandOutput } from "@aws-sdk/client-s3";
import type { ObjectInfo } from "../object-store.ts";

/** The bytes that an object was created with. */
export interface FirstVersion extends ObjectInfo {
  versionId: string;
  /** How many later versions and delete markers lie on top of it. */
  later: number;
}

/** A version or a delete marker, as a listing gives it. */
export interface Entry {
  /** With the place's prefix. */
  key: string;
  id: string;
  size: number;
  created: Date | undefined;
  isMarker: boolean;
}

/** What was seen so far of one key, newest first. */
export interface VersionsOfKey {
  key: string;
  count: number;
  /** The oldest so far that is no delete marker. */
  oldest?: Entry;
}

/** Where a next page begins. */
export interface Marker {
  KeyMarker?: string;
  VersionIdMarker?: string;
}

/** Delete markers stand in a list of their own; among versions of one key, the newest is first. */
export function entriesOf({
  Versions,
  DeleteMarkers,
}: Pick<ListObjectVersionsCommandOutput, "Versions" | "DeleteMarkers">): Entry[] {
  const entry = (isMarker: boolean) => (one: Listed) => ({
    key: one.Key ?? "",
    id: one.VersionId ?? "null",
    size: one.Size ?? 0,
    created: one.LastModified,
    isMarker,
  });
  return [...(DeleteMarkers ?? []).map(entry(true)), ...(Versions ?? []).map(entry(false))];
}

interface Listed {
  Key?: string | undefined;
  VersionId?: string | undefined;
  Size?: number | undefined;
  LastModified?: Date | undefined;
}

/** By key, in byte order. `open` is what the page before had of its last key. */
export function groupByKey(entries: Entry[], open?: VersionsOfKey): VersionsOfKey[] {
  const found = new Map<string, VersionsOfKey>();
  if (open !== undefined) found.set(open.key, { ...open });
  for (const entry of entries) {
    const versions = found.get(entry.key) ?? { key: entry.key, count: 0 };
    versions.count += 1;
    if (!entry.isMarker) versions.oldest = entry;
    found.set(entry.key, versions);
  }
  return [...found.values()].toSorted((a, b) => Buffer.compare(bytesOf(a), bytesOf(b)));
}

function bytesOf({ key }: VersionsOfKey): Buffer {
  return Buffer.from(key);
}

/** The objects; a key of which only delete markers are left is none. `root` is cut off. */
export function firstVersions(keys: VersionsOfKey[], root: string): FirstVersion[] {
  return keys.flatMap(({ key, count, oldest }) => {
    if (oldest === undefined) return [];
    const { id: versionId, size, created } = oldest;
    const when = created === undefined ? {} : { created };
    return [{ key: key.slice(root.length), size, ...when, versionId, later: count - 1 }];
  });
}

export function markerOf({
  NextKeyMarker,
  NextVersionIdMarker,
}: Pick<ListObjectVersionsCommandOutput, "NextKeyMarker" | "NextVersionIdMarker">): Marker {
  return {
    ...(NextKeyMarker === undefined ? {} : { KeyMarker: NextKeyMarker }),
    ...(NextVersionIdMarker === undefined ? {} : { VersionIdMarker: NextVersionIdMarker }),
  };
}

/** Reads what a page was told to go on with; JSON has no dates. */
export function parsePageToken(token: string | undefined): { from: Marker; open?: VersionsOfKey } {
  if (token === undefined) return { from: {} };
  const { from, open } = JSON.parse(token) as { from: Marker; open?: VersionsOfKey };
  if (open?.oldest?.created !== undefined) open.oldest.created = new Date(open.oldest.created);
  return open === undefined ? { from } : { from, open };
}
