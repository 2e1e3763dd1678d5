import type { ObjectStore } from "../store/object-store.ts";
import type { RepositoryInfo } from "./open-repository.ts";

export declare function initRepository(
  store: ObjectStore,
  options: { recipients: string[]; now: Date; signal: AbortSignal },
): Promise<RepositoryInfo>;
