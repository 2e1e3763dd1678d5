import type { ObjectStore } from "../store/object-store.ts";

/** What `repository.json` says. Plain data. */
export interface RepositoryInfo {
  format: 1;
  /** 32 hexadecimal digits. */
  id: string;
  created: string;
  /** Bytes; how streams are cut (README.md, "Chunks"). */
  chunking: { min: number; mean: number; max: number };
  /** age public keys; every epoch key is sealed to all of them. */
  recipients: string[];
}

export declare function openRepository(
  store: ObjectStore,
  options: { signal: AbortSignal },
): Promise<RepositoryInfo>;
