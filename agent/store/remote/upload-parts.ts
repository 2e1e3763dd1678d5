import { createHash, type Hash } from "node:crypto";
import { DbctlError } from "../../../core/errors.ts";
import { objectExists } from "../object-errors.ts";
import type { ObjectInfo } from "../object-store.ts";
import type { BodyCutter } from "./body-cutter.ts";
import { isWritten } from "./is-written.ts";
import { mostParts, partBytes, partsInFlight } from "./part-bytes.ts";
import type { RemoteUpload } from "./remote-client.ts";
import { callAgain, paceBy, type Remote } from "./remote.ts";

interface PartsPut {
  cutter: BodyCutter;
  bulk: boolean;
  signal: AbortSignal;
}

/**
 * Creates an object in parts of growing size, at most 3 under way and one being filled: 40 MiB of
 * memory for up to 8 GB, 192 MiB for up to 120 GB. Whatever fails, the store forgets the parts.
 */
export async function uploadParts(
  remote: Remote,
  key: string,
  { cutter, bulk, signal }: PartsPut,
): Promise<ObjectInfo> {
  const { client } = remote;
  const upload = await callAgain(remote, { act: "create", key, signal }, async (turn) =>
    client.beginUpload(key, { bulk, signal: turn.signal }),
  );
  try {
    const sent = await sendParts(remote, key, { upload, cutter, signal });
    await assertAbsent(remote, key, signal);
    signal.throwIfAborted();
    await complete(remote, key, { upload, sent, signal });
    return { key, size: sent.size };
  } catch (error) {
    await forget(upload, signal);
    throw error;
  }
}

interface Sent {
  size: number;
  hash: Hash;
}

interface Sending {
  upload: RemoteUpload;
  cutter: BodyCutter;
  signal: AbortSignal;
}

async function sendParts(
  remote: Remote,
  key: string,
  { upload, cutter, signal }: Sending,
): Promise<Sent> {
  const sent: Sent = { size: 0, hash: createHash("sha256") };
  const stop = new AbortController();
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {});
  const inFlight = new Set<Promise<void>>();
  const options = { upload, signal: AbortSignal.any([signal, stop.signal]) };
  try {
    for (let number = 1; ; number++) {
      const bytes = Buffer.concat(
        await Promise.race([cutter.take(partBytes(number)), failed.promise]),
      );
      if (bytes.length === 0) break;
      if (number > mostParts) throw tooLong(remote, key);
      sent.hash.update(bytes);
      sent.size += bytes.length;
      const part: Promise<void> = sendPart(remote, { key, number, bytes }, options)
        .catch(failed.reject)
        .then(() => void inFlight.delete(part));
      inFlight.add(part);
      const most = upload.inOrder === true ? 1 : partsInFlight(bytes.length);
      while (inFlight.size >= most) await Promise.race([...inFlight, failed.promise]);
    }
    await Promise.race([Promise.all(inFlight), failed.promise]);
    // The last part may have failed in the same moment as it left the set.
    await Promise.race([failed.promise, Promise.resolve()]);
    return sent;
  } finally {
    stop.abort(new Error("another part has failed"));
  }
}

async function sendPart(
  remote: Remote,
  { key, number, bytes }: { key: string; number: number; bytes: Buffer },
  { upload, signal }: { upload: RemoteUpload; signal: AbortSignal },
): Promise<void> {
  await callAgain(remote, { act: "create", key, signal }, async (turn) => {
    const pace = paceBy(remote.limits.upload, turn);
    await upload.put(number, bytes, { signal: turn.signal, pace });
  });
}

/**
 * Not every store can complete an upload only if there is no such object, so we look first. A host
 * that may not look goes on: nobody else makes the names that it makes.
 */
async function assertAbsent(remote: Remote, key: string, signal: AbortSignal): Promise<void> {
  const { client } = remote;
  const info = await callAgain(remote, { act: "look at", key, signal }, async (turn) =>
    client.head(key, { signal: turn.signal }),
  ).catch((error: unknown) => {
    if (error instanceof DbctlError && error.code === "store-denied") return undefined;
    throw error;
  });
  if (info !== undefined) throw objectExists(client.url, key);
}

/** A store may need minutes to join many parts. */
const completeStallMs = 240_000;

async function complete(
  remote: Remote,
  key: string,
  { upload, sent, signal }: { upload: RemoteUpload; sent: Sent; signal: AbortSignal },
): Promise<void> {
  const written = { size: sent.size, sha256: sent.hash.digest("hex"), signal };
  const call = { act: "create", key, signal, stallMs: completeStallMs };
  await callAgain(remote, call, async (turn) => {
    try {
      await upload.complete({ signal: turn.signal });
    } catch (error) {
      if (turn.number === 1 || (error instanceof DbctlError && error.retryable)) throw error;
      // The answer to an earlier try may have been lost.
      const exists = error instanceof DbctlError && error.code === "object-exists";
      const found = await turn.pause(isWritten(remote, key, written));
      if (found === "no" || (found === "unknown" && !exists)) throw error;
    }
  });
}

const forgetMs = 10_000;
/** Who has cancelled does not wait for long. */
const forgetSoonMs = 500;

/** Its own failure changes nothing of what is reported: no object is there, the parts are unseen. */
async function forget(upload: RemoteUpload, signal: AbortSignal): Promise<void> {
  const forgotten = AbortSignal.timeout(signal.aborted ? forgetSoonMs : forgetMs);
  const ended = new Promise((resolve) => forgotten.addEventListener("abort", resolve));
  await Promise.race([upload.abort({ signal: forgotten }).catch(() => {}), ended]);
}

function tooLong(remote: Remote, key: string): DbctlError {
  const message = `Cannot create ${key} in ${remote.client.url}: it has more than ${mostParts} parts`;
  return new DbctlError("store-io", message, {
    remedy: "Report this with the output of the same command under DBCTL_DEBUG=1",
  });
}
