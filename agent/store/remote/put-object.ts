import { createHash } from "node:crypto";
import { DbctlError } from "../../../core/errors.ts";
import { objectExists } from "../object-errors.ts";
import type { ObjectBody, ObjectInfo } from "../object-store.ts";
import { BodyCutter } from "./body-cutter.ts";
import { isWritten } from "./is-written.ts";
import { callAgain, paceBy, type Remote } from "./remote.ts";
import { uploadParts } from "./upload-parts.ts";

export interface RemotePut {
  body: ObjectBody;
  bulk: boolean;
  signal: AbortSignal;
}

/**
 * Creates an object of any length: in one request when it has at most `can.createOnlyBytes`, which
 * stay in memory until they are stored, else in parts.
 *
 * Once the request that commits is on its way nobody can take it back: a put that is aborted then,
 * or whose last answer is lost, may have left the whole object, never a part of it.
 */
export async function putObject(
  remote: Remote,
  key: string,
  { body, bulk, signal }: RemotePut,
): Promise<ObjectInfo> {
  signal.throwIfAborted();
  await using cutter = new BodyCutter(body, signal);
  const first = await cutter.take(remote.client.can.createOnlyBytes);
  if (!(await cutter.isAtEnd())) {
    cutter.putBack(first.splice(0));
    return await uploadParts(remote, key, { cutter, bulk, signal });
  }
  const bytes = Buffer.concat(first.splice(0));
  signal.throwIfAborted();
  await createObject(remote, key, { bytes, bulk, signal });
  return { key, size: bytes.length };
}

async function createObject(
  remote: Remote,
  key: string,
  { bytes, bulk, signal }: { bytes: Buffer; bulk: boolean; signal: AbortSignal },
): Promise<void> {
  const { client, limits } = remote;
  const isOurs = async () => {
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    return (await isWritten(remote, key, { size: bytes.length, sha256, signal })) !== "no";
  };
  await callAgain(remote, { act: "create", key, signal }, async (turn) => {
    const pace = paceBy(limits.upload, turn);
    try {
      await client.create(key, bytes, { bulk, signal: turn.signal, pace });
    } catch (error) {
      const exists = error instanceof DbctlError && error.code === "object-exists";
      if (!exists) throw error;
      // The answer to an earlier try may have been lost.
      if (turn.number === 1 || !(await turn.pause(isOurs()))) throw objectExists(client.url, key);
    }
  });
}
