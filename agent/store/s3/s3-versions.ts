import {
  DeleteObjectCommand,
  GetBucketVersioningCommand,
  ListObjectVersionsCommand,
  type ListObjectVersionsCommandOutput,
} from "@aws-sdk/client-s3";
import { DbctlError } from "../../../core/errors.ts";
import type { OverwrittenObject } from "../object-store.ts";
import { objectExists } from "../object-errors.ts";
import type { Page, PageOptions } from "../remote/remote-client.ts";
import {
  entriesOf,
  type Entry,
  type FirstVersion,
  firstVersions,
  groupByKey,
  type Marker,
  markerOf,
  parsePageToken,
  type VersionsOfKey,
} from "./first-versions.ts";
import type { S3Requests } from "./s3-requests.ts";

interface Waiting {
  signal: AbortSignal;
}

/** Remembered places of first versions; one entry per pack that a restore reads. */
const remembered = 4096;

/**
 * A bucket that keeps versions. Objects are created once, so the first version of a key is the true
 * one: what was written over it, or hides it, came from somebody who is not us. So it is the first
 * versions that are read, listed and sized, and a removal removes all of them.
 */
export class S3Versions {
  readonly #requests: S3Requests;
  readonly #known = new Map<string, string>();
  #kept: boolean | "unknown" | undefined;
  #mayLook = true;

  constructor(requests: S3Requests) {
    this.#requests = requests;
  }

  /** Whether the bucket keeps versions; `unknown` where we may not ask. Asked once. */
  async areKept({ signal }: Waiting): Promise<boolean | "unknown"> {
    this.#kept ??= await this.#ask(signal);
    return this.#kept;
  }

  async #ask(signal: AbortSignal): Promise<boolean | "unknown"> {
    const { bucket } = this.#requests.place;
    const asked = { act: "look at the versions of", key: "", signal };
    try {
      const { Status } = await this.#requests.ask(asked, (client, options) =>
        client.send(new GetBucketVersioningCommand({ Bucket: bucket }), options),
      );
      return Status !== undefined;
    } catch (error) {
      if (isDenied(error)) return "unknown";
      throw error;
    }
  }

  /** The first version's id, for reading; asked once per object. */
  async firstId(key: string, { signal }: Waiting): Promise<string | undefined> {
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const first = await this.first(key, { signal });
    if (first === undefined) return undefined;
    this.#known.set(key, first.versionId);
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= remembered) break;
      this.#known.delete(oldest);
    }
    return first.versionId;
  }

  forget(key: string): void {
    this.#known.delete(key);
  }

  async first(key: string, { signal }: Waiting): Promise<FirstVersion | undefined> {
    let open: VersionsOfKey | undefined;
    let from: Marker | undefined = {};
    while (from !== undefined) {
      const { entries, next }: { entries: Entry[]; next?: Marker } = await this.#pageOf(key, {
        from,
        signal,
      });
      [open] = groupByKey(entries, open);
      from = next;
    }
    return open && firstVersions([open], this.#requests.place.prefix)[0];
  }

  /**
   * Some servers take what is put on top of an object, against the request's condition, when they
   * keep versions. So whoever puts looks who was first: a version is never put below another one.
   * Who may not look (a write-only host) relies on its random names, and readers on first versions.
   */
  async assertFirst(key: string, id: string | undefined, { signal }: Waiting): Promise<void> {
    const { endpoint, conditionalPut, url } = this.#requests.place;
    const isKept = id !== undefined && id !== "null";
    if (!isKept && !conditionalPut) throw neitherWay(url, key);
    // Amazon's own keeps to the condition.
    if (!isKept || (conditionalPut && endpoint === undefined) || !this.#mayLook) return;
    const first = await unlessDenied(this.first(key, { signal }), () => (this.#mayLook = false));
    if (first === undefined || first.versionId === id) return;
    // Where it cannot be taken away again, it stays on top, where nobody reads it.
    await unlessDenied(this.#remove(key, id, signal));
    throw objectExists(url, key);
  }

  /** One page of a listing, of what `ListObjectVersions` gives. */
  async listPage(prefix: string, { folders, token, signal }: PageOptions): Promise<Page> {
    const { objects, names, next } = await this.#firstsPage(prefix, { folders, token, signal });
    return {
      objects: objects.map(({ key, size, created }) => ({
        key,
        size,
        ...(created === undefined ? {} : { created }),
      })),
      folders: names,
      ...(next === undefined ? {} : { next }),
    };
  }

  /** One page of the objects on which something was put later, or which something hides. */
  async overwrittenPage(
    prefix: string,
    { token, signal }: { token?: string } & Waiting,
  ): Promise<{ objects: OverwrittenObject[]; next?: string }> {
    if ((await this.areKept({ signal })) !== true) return { objects: [] };
    const { objects, next } = await this.#firstsPage(prefix, { folders: false, token, signal });
    const over = objects.filter(({ later }) => later > 0);
    return {
      objects: over.map(({ key, later }) => ({ key, later })),
      ...(next === undefined ? {} : { next }),
    };
  }

  /**
   * All versions, newest first: if a lock stops us on the way, the first one is still there.
   * `refused` says why one could not be removed.
   */
  async removeAll(
    key: string,
    { signal, refused }: Waiting & { refused: (id: string, error: unknown) => Promise<unknown> },
  ): Promise<void> {
    this.forget(key);
    for (let isMore = true; isMore;) {
      // From the start each time: some servers lose their place among what is being removed.
      const page = await this.#pageOf(key, { signal });
      for (const { id } of page.entries)
        try {
          await this.#remove(key, id, signal);
        } catch (error) {
          throw await refused(id, error);
        }
      isMore = page.next !== undefined;
    }
  }

  async #remove(key: string, versionId: string, signal: AbortSignal): Promise<void> {
    const input = { ...this.#requests.at(key), VersionId: versionId };
    await this.#requests.ask({ act: "remove", key, signal }, (client, options) =>
      client.send(new DeleteObjectCommand(input), options),
    );
  }

  /** Entries of exactly this key, newest first; `next` when there are more. */
  async #pageOf(
    key: string,
    { from = {}, signal }: { from?: Marker } & Waiting,
  ): Promise<{ entries: Entry[]; next?: Marker }> {
    const output = await this.#list(key, { folders: false, from, signal });
    const { Key } = this.#requests.at(key);
    const entries = entriesOf(output).filter((entry) => entry.key === Key);
    // Other keys that begin with ours come after it.
    const isMore = output.IsTruncated === true && output.NextKeyMarker === Key;
    return isMore ? { entries, next: markerOf(output) } : { entries };
  }

  async #firstsPage(
    prefix: string,
    { folders, token, signal }: { folders: boolean; token: string | undefined } & Waiting,
  ): Promise<{ objects: FirstVersion[]; names: string[]; next?: string }> {
    const root = this.#requests.place.prefix;
    const { from, open } = parsePageToken(token);
    const output = await this.#list(prefix, { folders, from, signal });
    const keys = groupByKey(entriesOf(output), open);
    const names = (output.CommonPrefixes ?? []).map(({ Prefix = "" }) =>
      Prefix.slice(root.length + prefix.length).replace(/\/$/, ""),
    );
    if (output.IsTruncated !== true) return { objects: firstVersions(keys, root), names };
    // Older versions of the last key may stand on the next page.
    const isOpen = keys.at(-1)?.key === output.NextKeyMarker;
    const next = { from: markerOf(output), open: isOpen ? keys.pop() : undefined };
    return { objects: firstVersions(keys, root), names, next: JSON.stringify(next) };
  }

  #list(
    prefix: string,
    { folders, from, signal }: { folders: boolean; from: Marker } & Waiting,
  ): Promise<ListObjectVersionsCommandOutput> {
    const { Bucket, Key } = this.#requests.at(prefix);
    const input = { Bucket, Prefix: Key, ...(folders ? { Delimiter: "/" } : {}), ...from };
    return this.#requests.ask({ act: "list the versions of", key: prefix, signal }, (client, o) =>
      client.send(new ListObjectVersionsCommand(input), o),
    );
  }
}

function neitherWay(url: string, key: string): DbctlError {
  const what = "without conditional-put, the bucket has to keep versions, and does not";
  return new DbctlError("cannot-create", `Cannot create ${key} once in ${url}: ${what}`, {
    remedy: "Enable versioning on the bucket, or take conditional-put=false away",
  });
}

async function unlessDenied<T>(
  answer: Promise<T>,
  denied: () => void = () => {},
): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (!isDenied(error)) throw error;
    denied();
    return undefined;
  }
}

export function isDenied(error: unknown): boolean {
  return error instanceof DbctlError && error.code === "store-denied";
}
