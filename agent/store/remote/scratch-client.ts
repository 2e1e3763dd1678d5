import { setTimeout as sleep } from "node:timers/promises";
import { objectExists, objectMissing } from "../object-errors.ts";
import type { ByteRange, ObjectInfo, StoreCapabilities } from "../object-store.ts";
import { remoteFailure } from "./remote-failure.ts";
import type { Page, PageOptions, RemoteClient, RemoteUpload } from "./remote-client.ts";

/** What a request meets: a refusal, an answer that gets lost, silence, a cut after some bytes. */
export type Fault =
  | { kind: "refuse"; status?: number; name?: string; retryAfterMs?: number }
  | { kind: "lose-answer" }
  | { kind: "fall-silent" }
  /** Only for reads: the connection ends, with an error or as if all were well. */
  | { kind: "cut"; after: number; clean?: boolean };

export type Method =
  | "create"
  | "begin"
  | "part"
  | "complete"
  | "abort"
  | "read"
  | "head"
  | "list"
  | "remove";

export interface Request {
  method: Method;
  key: string;
  /** How many of this method came before. */
  n: number;
  range?: ByteRange;
}

export interface ScratchClient extends RemoteClient {
  readonly objects: Map<string, Buffer>;
  /** Uploads that were begun and neither completed nor aborted. */
  readonly open: Set<RemoteUpload>;
  /** All that were made so far. */
  readonly requests: Request[];
  /** How many parts were under way at once. */
  mostParts: number;
  script: (request: Request) => Fault | undefined;
}

export interface ScratchClientOptions {
  createOnlyBytes?: number;
  pageSize?: number;
}

interface State {
  client: ScratchClient;
  created: Map<string, Date>;
}

/** A cloud in memory: one request per call, with faults by script. */
export function createScratchClient({
  createOnlyBytes = 1 << 20,
  pageSize = 1000,
}: ScratchClientOptions = {}): ScratchClient {
  const can: StoreCapabilities = {
    createOnlyBytes,
    objectLock: false,
    legalHold: false,
    storageClasses: [],
  };
  const state: State = { client: undefined as never, created: new Map() };
  state.client = {
    url: "scratch://bucket",
    can,
    objects: new Map(),
    open: new Set(),
    requests: [],
    mostParts: 0,
    script: () => undefined,
    create: (key, bytes, { signal, pace }) =>
      answer(state, { method: "create", key, signal }, async () => {
        await pace?.(bytes.length);
        store(state, key, bytes);
      }),
    beginUpload: (key, { signal }) =>
      answer(state, { method: "begin", key, signal }, async () => beginUpload(state, key)),
    read: (key, options) => read(state, key, options),
    head: (key, { signal }) =>
      answer(state, { method: "head", key, signal }, async () => infoOf(state, key)),
    listPage: (prefix, options) =>
      answer(state, { method: "list", key: prefix, signal: options.signal }, async () =>
        pageOf(state, prefix, { ...options, pageSize }),
      ),
    remove: (key, { signal }) =>
      answer(state, { method: "remove", key, signal }, async () => {
        state.client.objects.delete(key);
      }),
  };
  return state.client;
}

interface Asked {
  method: Method;
  key: string;
  signal: AbortSignal;
  range?: ByteRange | undefined;
}

function meet({ client }: State, { method, key, range }: Asked): Fault | undefined {
  const n = client.requests.filter((request) => request.method === method).length;
  const request = { method, key, n, ...(range === undefined ? {} : { range }) };
  client.requests.push(request);
  return client.script(request);
}

async function answer<T>(state: State, asked: Asked, run: () => Promise<T>): Promise<T> {
  asked.signal.throwIfAborted();
  const fault = meet(state, asked);
  await sleep(0);
  asked.signal.throwIfAborted();
  if (fault?.kind === "refuse") throw refusal(asked, fault);
  if (fault?.kind === "fall-silent") return await silence(asked.signal);
  const answered = await run();
  if (fault?.kind === "lose-answer") throw refusal(asked, {});
  return answered;
}

function refusal({ method, key }: Asked, fault: Omit<Fault & { kind: "refuse" }, "kind">) {
  return remoteFailure({ act: method, object: `${key} in scratch://bucket`, ...fault, cause: 0 });
}

function silence(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason));
  });
}

function store({ client, created }: State, key: string, bytes: Buffer): void {
  if (client.objects.has(key)) throw objectExists(client.url, key);
  client.objects.set(key, Buffer.from(bytes));
  created.set(key, new Date());
}

function infoOf({ client, created }: State, key: string): ObjectInfo | undefined {
  const size = client.objects.get(key)?.length;
  return size === undefined ? undefined : { key, size, created: created.get(key) ?? new Date() };
}

function beginUpload(state: State, key: string): RemoteUpload {
  const parts = new Map<number, Buffer>();
  const { open } = state.client;
  let underWay = 0;
  const upload: RemoteUpload = {
    put: async (number, bytes, { signal, pace }) => {
      state.client.mostParts = Math.max(state.client.mostParts, ++underWay);
      await answer(state, { method: "part", key, signal }, async () => {
        await pace?.(bytes.length);
        parts.set(number, Buffer.from(bytes));
      }).finally(() => underWay--);
    },
    complete: ({ signal }) =>
      answer(state, { method: "complete", key, signal }, async () => {
        if (!open.has(upload)) throw refusal({ method: "complete", key, signal }, { status: 404 });
        const numbers = [...parts.keys()].toSorted((a, b) => a - b);
        store(state, key, Buffer.concat(numbers.map((n) => parts.get(n) ?? Buffer.alloc(0))));
        open.delete(upload);
      }),
    abort: ({ signal }) =>
      answer(state, { method: "abort", key, signal }, async () => void open.delete(upload)),
  };
  open.add(upload);
  return upload;
}

const pieceBytes = 40_000;

async function* read(
  state: State,
  key: string,
  { range, signal }: { range?: ByteRange; signal: AbortSignal },
): AsyncGenerator<Uint8Array, void> {
  const asked: Asked = { method: "read", key, signal, range };
  const fault = meet(state, asked);
  await sleep(0);
  signal.throwIfAborted();
  if (fault?.kind === "refuse") throw refusal(asked, fault);
  const bytes = state.client.objects.get(key);
  if (bytes === undefined) throw objectMissing(state.client.url, key);
  const { offset, length } = range ?? { offset: 0, length: bytes.length };
  if (offset >= bytes.length) throw refusal(asked, { status: 416, name: "InvalidRange" });
  const end = Math.min(offset + length, bytes.length);
  const stop = fault?.kind === "cut" ? Math.min(end, offset + fault.after) : end;
  for (let at = offset; at < stop; at += pieceBytes) {
    signal.throwIfAborted();
    yield Uint8Array.from(bytes.subarray(at, Math.min(at + pieceBytes, stop)));
  }
  if (fault?.kind === "fall-silent") await silence(signal);
  if (fault?.kind === "cut" && fault.clean !== true) throw refusal(asked, {});
}

function pageOf(
  { client, created }: State,
  prefix: string,
  { folders, token = "", pageSize }: PageOptions & { pageSize: number },
): Page {
  const page: Page = { objects: [], folders: [] };
  const keys = [...client.objects.keys()].filter((key) => key.startsWith(prefix));
  const entries = new Set(keys.map((key) => (folders ? entryOf(prefix, key) : key)));
  const after = [...entries].filter((entry) => entry > token).toSorted();
  for (const entry of after.slice(0, pageSize)) {
    if (entry.endsWith("/")) page.folders.push(entry.slice(prefix.length, -1));
    else
      page.objects.push({
        key: entry,
        size: client.objects.get(entry)?.length ?? 0,
        created: created.get(entry) ?? new Date(),
      });
  }
  const last = after[pageSize - 1];
  return after.length > pageSize && last !== undefined ? { ...page, next: last } : page;
}

/** A key, or what of it goes as far as the next slash. */
function entryOf(prefix: string, key: string): string {
  const slash = key.indexOf("/", prefix.length);
  return slash === -1 ? key : key.slice(0, slash + 1);
}
