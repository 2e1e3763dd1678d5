import { setTimeout as sleep } from "node:timers/promises";
import { DbctlError } from "../../core/errors.ts";
import type { ByteRange, ObjectBody, ObjectStore } from "./object-store.ts";
import { parseRate } from "./transfer-rate.ts";
import type { TransferLimit, TransferLimits } from "./remote/remote.ts";

/** A cap that all threads of a job share. Crosses threads as it is. */
export interface TransferCap {
  bytesPerSecond: number;
  /** One 64-bit number: when all bytes that were let through are paid for, by `process.hrtime`. */
  paidAt: SharedArrayBuffer;
}

/** Caps of one job; none where undefined. */
export interface TransferCaps {
  upload?: TransferCap;
  download?: TransferCap;
}

/** Undefined for 0, which means that there is no cap. */
export function createTransferCap(bytesPerSecond: number): TransferCap | undefined {
  return bytesPerSecond === 0 ? undefined : { bytesPerSecond, paidAt: new SharedArrayBuffer(8) };
}

/** What `DBCTL_UPLOAD_LIMIT` and `DBCTL_DOWNLOAD_LIMIT` say. */
export function capsFromEnvironment(env: NodeJS.ProcessEnv): TransferCaps {
  const upload = capFrom("DBCTL_UPLOAD_LIMIT", env);
  const download = capFrom("DBCTL_DOWNLOAD_LIMIT", env);
  return {
    ...(upload === undefined ? {} : { upload }),
    ...(download === undefined ? {} : { download }),
  };
}

function capFrom(name: string, env: NodeJS.ProcessEnv): TransferCap | undefined {
  const text = env[name];
  if (text === undefined || text === "") return undefined;
  try {
    return createTransferCap(parseRate(text));
  } catch (cause) {
    throw new DbctlError("config-invalid", `Cannot use ${name}: ${(cause as Error).message}`, {
      remedy: `Set ${name} to a rate such as 100MB/s, or unset it`,
      cause,
    });
  }
}

export function openTransferLimits({ upload, download }: TransferCaps): TransferLimits {
  return {
    ...(upload === undefined ? {} : { upload: openTransferLimit(upload) }),
    ...(download === undefined ? {} : { download: openTransferLimit(download) }),
  };
}

/** So much may pass at once after a rest (GOV-06). */
const burstNs = 250_000_000n;

/**
 * A token bucket. Every taker books its time behind the others', whichever thread they are in, and
 * then waits for it. The clock of `process.hrtime` is the same in all threads of a process.
 */
export function openTransferLimit({ bytesPerSecond, paidAt }: TransferCap): TransferLimit {
  const cell = new BigInt64Array(paidAt);
  const book = (bytes: number): bigint => {
    const costNs = BigInt(Math.ceil((bytes / bytesPerSecond) * 1e9));
    for (;;) {
      const now = process.hrtime.bigint();
      const paid = Atomics.load(cell, 0);
      const from = paid > now - burstNs ? paid : now - burstNs;
      if (Atomics.compareExchange(cell, 0, paid, from + costNs) === paid)
        return from + costNs - now;
    }
  };
  return {
    async take(bytes, { signal }) {
      signal.throwIfAborted();
      const waitMs = Number(book(bytes)) / 1e6;
      if (waitMs <= 0) return;
      await sleep(waitMs, undefined, { signal }).catch(() => {});
      signal.throwIfAborted();
    },
  };
}

/** The store, within the limits. For a store whose bytes go straight where they belong, as files do. */
export function withTransferLimits(store: ObjectStore, limits: TransferLimits): ObjectStore {
  const { upload, download } = limits;
  return {
    url: store.url,
    can: store.can,
    ...(store.locks === undefined ? {} : { locks: store.locks }),
    put: (key, body, options) => store.put(key, paced(body, upload, options.signal), options),
    get: (key, options: { range?: ByteRange; signal: AbortSignal }) =>
      paced(store.get(key, options), download, options.signal),
    head: (key, options) => store.head(key, options),
    list: (prefix, options) => store.list(prefix, options),
    listFolders: (prefix, options) => store.listFolders(prefix, options),
    delete: (key, options) => store.delete(key, options),
    ...overwrittenOf(store),
  };
}

function overwrittenOf(store: ObjectStore): Pick<ObjectStore, "overwritten"> {
  if (store.overwritten === undefined) return {};
  return {
    async *overwritten(prefix, options) {
      yield* store.overwritten?.(prefix, options) ?? [];
    },
  };
}

/** Small enough that a slow cap lets bytes through steadily. */
const pieceBytes = 256 << 10;

async function* paced(
  body: ObjectBody,
  limit: TransferLimit | undefined,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void> {
  if (limit === undefined) return yield* body;
  for await (const piece of body)
    for (let at = 0; at < piece.length; at += pieceBytes) {
      const part = piece.subarray(at, at + pieceBytes);
      await limit.take(part.length, { signal });
      yield part;
    }
}
