import type { ObjectStore } from "../store/object-store.ts";

/** The store, read otherwise: `overlay` stands in the place of its get, head and list. */
export function overlayStore(
  store: ObjectStore,
  overlay: Partial<Pick<ObjectStore, "get" | "head" | "list">>,
): ObjectStore {
  return {
    url: store.url,
    can: store.can,
    ...(store.locks === undefined ? {} : { locks: store.locks }),
    put: (key, body, options) => store.put(key, body, options),
    get: (key, options) => store.get(key, options),
    head: (key, options) => store.head(key, options),
    list: (prefix, options) => store.list(prefix, options),
    listFolders: (prefix, options) => store.listFolders(prefix, options),
    delete: (key, options) => store.delete(key, options),
    ...overlay,
  };
}
