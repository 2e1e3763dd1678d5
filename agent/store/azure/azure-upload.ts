import { randomBytes } from "node:crypto";
import { objectExists } from "../object-errors.ts";
import type { CreateOptions, RemoteUpload } from "../remote/remote-client.ts";
import { type AzureRequests, checkedBody, codeOf, statusOf } from "./azure-requests.ts";

/**
 * A blob in blocks; the service takes up to 50,000. Blocks that are never committed are not seen by
 * anybody, and the service drops them after a week: there is no request to drop them sooner.
 */
export function beginUpload(
  requests: AzureRequests,
  key: string,
  { bulk }: CreateOptions,
): RemoteUpload {
  const upload = randomBytes(12).toString("hex");
  // All ids of a blob's blocks have to be of one length.
  const idOf = (number: number) =>
    Buffer.from(`${upload}-${String(number).padStart(5, "0")}`).toString("base64");
  const { container, name } = requests.at(key);
  const blob = container.getBlockBlobClient(name);
  const numbers = new Set<number>();
  return {
    async put(number, bytes, { signal, pace }) {
      const { body, transactionalContentMD5 } = checkedBody(bytes, pace);
      await requests.ask({ act: "create", key, signal }, async (_, options) =>
        blob.stageBlock(idOf(number), body, bytes.length, { ...options, transactionalContentMD5 }),
      );
      numbers.add(number);
    },
    async complete({ signal }) {
      const ids = [...numbers].toSorted((a, b) => a - b).map(idOf);
      try {
        await requests.ask({ act: "create", key, signal }, async (_, options) =>
          blob.commitBlockList(ids, { ...options, ...onlyNew, ...tierOf(requests, bulk) }),
        );
      } catch (error) {
        throw isThereAlready(error) ? objectExists(requests.place.url, key) : error;
      }
    },
    async abort() {},
  };
}

export const onlyNew = { conditions: { ifNoneMatch: "*" } };

export function tierOf({ place }: AzureRequests, bulk: boolean) {
  return bulk && place.tier !== undefined ? { tier: place.tier } : {};
}

/** Also said of one that is locked. */
export function isThereAlready(error: unknown): boolean {
  const codes = ["BlobAlreadyExists", "BlobImmutableDueToPolicy"];
  return codes.includes(codeOf(error) ?? "") || statusOf(error) === 412;
}
