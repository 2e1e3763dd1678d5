/** The signed part of a manifest, in clear. docs/format.md, "Manifest". */
export interface BackupHeader {
  format: 1;
  repository: string;
  instance: string;
  epoch: string;
  /** Backup id, for example `20261120T101530Z-k3v9x0ap`. */
  id: string;
  kind: "logical";
  state: "complete" | "partial";
  source: BackupSource;
  /** ISO 8601, UTC. */
  started: string;
  finished: string;
  /** Counts the manifests of one signer. */
  sequence: number;
  /** The signer's manifest before this one. */
  previous: { id: string; hash: string } | null;
  /** The host's ed25519 public key, 64 hexadecimal digits. */
  signer: string;
  sizes: BackupSizes;
  packs: { pack: string; size: number; live: number }[];
  /** `sha256` of the whole object, hexadecimal. */
  maps: { size: number; sha256: string; streams: number }[];
  body: { size: number; sha256: string };
}

export interface BackupSource {
  engine: string;
  version: string;
  host: string;
  database: string;
}

/** Bytes. */
export interface BackupSizes {
  /** Of all streams. */
  read: number;
  /** Of all chunks that were new. */
  new: number;
  /** Of the packs that were written for it. */
  stored: number;
}
