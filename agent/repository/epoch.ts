import { hkdfSync } from "node:crypto";

/**
 * The key of one epoch of one instance and whose it is. Plain data: it crosses threads. Everything
 * that is sealed in the epoch can be read with it.
 */
export interface EpochKeys {
  repository: string;
  instance: string;
  epoch: string;
  /** 32 bytes. */
  key: Uint8Array;
}

/** Labels of the keys derived from an epoch key; docs/format.md, "Keys". */
const labels = {
  chunkId: "dbctl/1/chunk-id",
  row: "dbctl/1/row",
  pack: "dbctl/1/pack",
  packIndex: "dbctl/1/pack-index",
  map: "dbctl/1/map",
  body: "dbctl/1/manifest-body",
} as const;

export type KeyPurpose = keyof typeof labels;

/** HKDF-SHA-256 (RFC 5869) of the epoch key. `salt` tells keys of one purpose apart. */
export function deriveKey(
  epoch: EpochKeys,
  purpose: KeyPurpose,
  { salt = new Uint8Array(0), length = 32 }: { salt?: Uint8Array; length?: number } = {},
): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", epoch.key, salt, labels[purpose], length));
}

/** 16 bytes for `RowChunker`: cuts and digests rows the same way during the whole epoch. */
export function deriveRowKey(epoch: EpochKeys): Uint8Array {
  return deriveKey(epoch, "row", { length: 16 });
}
