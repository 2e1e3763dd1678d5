import type { ObjectInfo, ObjectLocks, ObjectStore } from "../object-store.ts";
import { assertKey } from "../store-key.ts";
import { getObject } from "./get-object.ts";
import { putObject } from "./put-object.ts";
import type { Page, RemoteClient } from "./remote-client.ts";
import { callAgain, type Remote, type TransferLimits } from "./remote.ts";
import { retryPolicies, type RetryPolicy } from "./retry-policy.ts";
import { realRetryParts, type RetryParts } from "./with-retries.ts";

export interface RemoteStoreOptions {
  retries?: RetryPolicy;
  limits?: TransferLimits;
  /** Time and chance, for tests. */
  parts?: RetryParts;
}

/**
 * A store behind a network: what `client` does in single requests, made patient (retries), bounded in
 * memory (parts, read-ahead) and exact (what arrives is counted).
 */
export function createRemoteStore(
  client: RemoteClient,
  { retries = retryPolicies.default, limits = {}, parts = realRetryParts }: RemoteStoreOptions = {},
): ObjectStore {
  const remote: Remote = { client, policy: retries, parts, limits };
  return {
    url: client.url,
    can: client.can,
    ...(client.locks === undefined ? {} : { locks: patientLocks(remote, client.locks) }),
    async put(key, body, { bulk = false, signal }) {
      assertKey(key);
      return await putObject(remote, key, { body, bulk, signal });
    },
    async *get(key, options) {
      assertKey(key);
      yield* getObject(remote, key, options);
    },
    async head(key, { signal }) {
      assertKey(key);
      return await callAgain(remote, { act: "look at", key, signal }, async (turn) =>
        client.head(key, { signal: turn.signal }),
      );
    },
    list: (prefix, { signal }) => list(remote, prefix, signal),
    ...versionsOf(remote),
    listFolders: (prefix, { signal }) => listFolders(remote, prefix, signal),
    async delete(key, { signal }) {
      assertKey(key);
      await callAgain(remote, { act: "remove", key, signal }, async (turn) =>
        client.remove(key, { signal: turn.signal }),
      );
    },
  };
}

async function* list(
  remote: Remote,
  prefix: string,
  signal: AbortSignal,
): AsyncGenerator<ObjectInfo, void> {
  for await (const { objects } of pages(remote, prefix, { folders: false, signal })) {
    for (const object of objects) {
      signal.throwIfAborted();
      yield object;
    }
  }
}

async function* listFolders(
  remote: Remote,
  prefix: string,
  signal: AbortSignal,
): AsyncGenerator<string, void> {
  for await (const { folders } of pages(remote, prefix, { folders: true, signal })) {
    for (const folder of folders) {
      signal.throwIfAborted();
      yield folder;
    }
  }
}

function versionsOf(remote: Remote): Pick<ObjectStore, "overwritten" | "keepsVersions"> {
  const { client } = remote;
  const overwrittenPage = client.overwrittenPage?.bind(client);
  const keepsVersions = client.keepsVersions?.bind(client);
  if (overwrittenPage === undefined || keepsVersions === undefined) return {};
  return {
    async keepsVersions({ signal }) {
      return await callAgain(remote, { act: "look at", key: "", signal }, async (turn) =>
        keepsVersions({ signal: turn.signal }),
      );
    },
    async *overwritten(prefix, { signal }) {
      let token: string | undefined;
      do {
        const from = token === undefined ? {} : { token };
        const page = await callAgain(remote, { act: "list", key: prefix, signal }, async (turn) =>
          overwrittenPage(prefix, { ...from, signal: turn.signal }),
        );
        yield* page.objects;
        token = page.next;
      } while (token !== undefined);
    },
  };
}

async function* pages(
  remote: Remote,
  prefix: string,
  { folders, signal }: { folders: boolean; signal: AbortSignal },
): AsyncGenerator<Page, void> {
  let token: string | undefined;
  do {
    const from = token === undefined ? {} : { token };
    const page = await callAgain(remote, { act: "list", key: prefix, signal }, async (turn) =>
      remote.client.listPage(prefix, { folders, ...from, signal: turn.signal }),
    );
    yield page;
    token = page.next;
  } while (token !== undefined);
}

function patientLocks(remote: Remote, locks: ObjectLocks): ObjectLocks {
  return {
    async get(key, { signal }) {
      assertKey(key);
      return await callAgain(remote, { act: "look at the lock of", key, signal }, async (turn) =>
        locks.get(key, { signal: turn.signal }),
      );
    },
    async retain(key, until, { signal }) {
      assertKey(key);
      await callAgain(remote, { act: "lock", key, signal }, async (turn) =>
        locks.retain(key, until, { signal: turn.signal }),
      );
    },
    async setLegalHold(key, hold, { signal }) {
      assertKey(key);
      await callAgain(remote, { act: "hold", key, signal }, async (turn) =>
        locks.setLegalHold(key, hold, { signal: turn.signal }),
      );
    },
  };
}
