import type { ObjectStore } from "../store/object-store.ts";
import type { RepositoryInfo } from "./repository-info.ts";

export declare function openRepository(
  store: ObjectStore,
  options: { signal: AbortSignal },
): Promise<RepositoryInfo>;
