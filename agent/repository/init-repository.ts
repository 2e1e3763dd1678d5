import { DbctlError } from "../../core/errors.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { maxChunkBytes } from "./chunk-codec.ts";
import { encrypterFor } from "./epoch-file.ts";
import { newRandomId } from "./identifier.ts";
import { repositoryKey } from "./object-key.ts";
import { openRepository, type RepositoryInfo } from "./open-repository.ts";
import type { Recipient } from "./recipient.ts";
import { probeStore } from "./probe-store.ts";

interface Options {
  /** Given where it must be known before, as a key service must; random else. */
  id?: string;
  /** At least one. */
  recipients: Recipient[];
  now: Date;
  signal: AbortSignal;
}

/** Makes a repository; `target-exists` when there is one, `cannot-create` in an unfit store. */
export async function initRepository(
  store: ObjectStore,
  { id = newRandomId(), recipients, now, signal }: Options,
): Promise<RepositoryInfo> {
  encrypterFor(recipients.map(({ recipient }) => recipient));
  if ((await store.head(repositoryKey, { signal })) !== undefined) throw exists(store);
  await probeStore(store, { signal });
  const info: Omit<RepositoryInfo, "list"> = {
    format: 1,
    id,
    created: now.toISOString(),
    chunking: { min: 262_144, mean: 1_048_576, max: maxChunkBytes },
    recipients,
  };
  const json = Buffer.from(`${JSON.stringify(info, undefined, 2)}\n`);
  try {
    await store.put(repositoryKey, [json], { signal });
  } catch (error) {
    if (error instanceof DbctlError && error.code === "object-exists") throw exists(store, error);
    throw error;
  }
  return await openRepository(store, { signal });
}

function exists({ url }: ObjectStore, cause?: unknown): DbctlError {
  return new DbctlError("target-exists", `Cannot make a repository in ${url}: there is one`, {
    remedy: "Use it as it is, or choose another place",
    cause,
  });
}
