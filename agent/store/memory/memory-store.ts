import type { ObjectStore } from "../object-store.ts";

/** A store that lives as long as the process; for tests. */
export declare function createMemoryStore(): ObjectStore;
