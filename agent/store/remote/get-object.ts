import { DbctlError } from "../../../core/errors.ts";
import { objectMissing, rangePastEnd } from "../object-errors.ts";
import type { ByteRange } from "../object-store.ts";
import { readAhead } from "./read-ahead.ts";
import { callAgain, paceBy, type Remote } from "./remote.ts";
import type { Try } from "./with-retries.ts";

/** Long ranges are fetched in pieces of this size, some at once; that much stays in memory. */
const pieceBytes = 4 << 20;
const atOnce = 4;

/** The bytes of the range in pieces, in order. Without a range the size is asked for first. */
export async function* getObject(
  remote: Remote,
  key: string,
  { range, signal }: { range?: ByteRange | undefined; signal: AbortSignal },
): AsyncGenerator<Uint8Array, void> {
  signal.throwIfAborted();
  const { offset, length } = range ?? { offset: 0, length: await sizeOf(remote, key, signal) };
  if (length === 0) return await assertWithin(remote, key, { end: offset, signal });
  const ranges = cut({ offset, length });
  yield* readAhead(ranges, {
    atOnce,
    signal,
    fetch: (one, options) => fetchRange(remote, key, { range: one, signal: options.signal }),
  });
}

function cut({ offset, length }: ByteRange): ByteRange[] {
  return Array.from({ length: Math.ceil(length / pieceBytes) }, (_, n) => ({
    offset: offset + n * pieceBytes,
    length: Math.min(pieceBytes, length - n * pieceBytes),
  }));
}

async function sizeOf(remote: Remote, key: string, signal: AbortSignal): Promise<number> {
  const { client } = remote;
  const info = await callAgain(remote, { act: "read", key, signal }, async (turn) =>
    client.head(key, { signal: turn.signal }),
  );
  if (info === undefined) throw objectMissing(client.url, key);
  return info.size;
}

async function assertWithin(
  remote: Remote,
  key: string,
  { end, signal }: { end: number; signal: AbortSignal },
): Promise<void> {
  if (end > (await sizeOf(remote, key, signal))) throw rangePastEnd(remote.client.url, key);
}

interface Fetched {
  into: Buffer;
  /** Bytes that are there. */
  got: number;
}

/** A store that has given so much in a try is not one that gives nothing: retries count anew. */
const gainBytes = 64 << 10;

/** The whole range. After a cut it goes on at the next byte. */
async function fetchRange(
  remote: Remote,
  key: string,
  { range, signal }: { range: ByteRange; signal: AbortSignal },
): Promise<Buffer> {
  const fetched = { into: Buffer.allocUnsafeSlow(range.length), got: 0 };
  try {
    await callAgain(remote, { act: "read", key, signal }, async (turn) =>
      fetchRest(remote, key, { range, fetched, turn }),
    );
  } catch (error) {
    const end = range.offset + range.length;
    if (mayBePastEnd(error)) await assertWithin(remote, key, { end, signal });
    throw error;
  }
  return fetched.into;
}

interface Fetching {
  range: ByteRange;
  fetched: Fetched;
  turn: Try;
}

async function fetchRest(
  remote: Remote,
  key: string,
  { range, fetched, turn }: Fetching,
): Promise<void> {
  const { client, limits } = remote;
  const pace = paceBy(limits.download, turn);
  const rest = { offset: range.offset + fetched.got, length: range.length - fetched.got };
  if (rest.length === 0) return;
  for await (const piece of client.read(key, { range: rest, signal: turn.signal })) {
    await pace(piece.length);
    if (fetched.got + piece.length > range.length) throw tooMuch(remote, key);
    fetched.into.set(piece, fetched.got);
    fetched.got += piece.length;
    if (fetched.got >= rest.offset - range.offset + gainBytes) turn.gained();
  }
  turn.signal.throwIfAborted();
  if (fetched.got === range.length) return;
  const { signal } = turn;
  await turn.pause(assertWithin(remote, key, { end: range.offset + range.length, signal }));
  throw cutOff(remote, key);
}

/** A range that begins behind the end is an error of the request for some stores. */
function mayBePastEnd(error: unknown): boolean {
  return error instanceof DbctlError && error.code === "store-io";
}

function cutOff({ client }: Remote, key: string): DbctlError {
  return new DbctlError(
    "store-unreachable",
    `Cannot read ${key} in ${client.url}: it was cut off`,
    {
      remedy: "Check the network and the store's own status, then try again",
      retryable: true,
    },
  );
}

function tooMuch({ client }: Remote, key: string): DbctlError {
  const what = "the store sent more than the range that was asked for";
  return new DbctlError("store-io", `Cannot read ${key} in ${client.url}: ${what}`, {
    remedy: "Check whether something between here and the store does not know ranges",
  });
}
