import type { BackupPlace } from "../repository/read-marks.ts";
import type { DbctlError } from "../../core/errors.ts";
import type { BackupSource } from "../repository/manifest.ts";
import type { MarkState } from "../repository/mark-state.ts";
import type { PruneRecord } from "../repository/prune-record.ts";
import type { Removal } from "../repository/removal.ts";
import type { ObjectInfo } from "../store/object-store.ts";

/** All that a prune decides on: what is in a repository, read without any data key. Plain data. */
export interface Inventory {
  repository: string;
  /** The servers that were asked for; undefined for all. */
  only: readonly string[] | undefined;
  instances: InstanceInventory[];
  /** What `dbctl repo init` and prunes have tried the store with. */
  probes: ObjectInfo[];
  /** The records of earlier prunes, by number. */
  prunes: (ObjectInfo & { number: number })[];
  last: PruneRecord | undefined;
  /** What cannot be read or is not known: with one of these, nothing may be removed. */
  troubles: DbctlError[];
}

export interface InstanceInventory {
  instance: string;
  /** By id. */
  manifests: Map<string, SeenManifest>;
  /** The records of removed backups. */
  removed: Map<string, ObjectInfo>;
  /** Those of them that the last prune cannot have read. */
  removals: Map<string, Removal>;
  /** Of the backups that have a manifest. */
  marks: Map<string, MarkState>;
  /** The marks of the others. */
  otherMarks: (ObjectInfo & { id: string })[];
  intents: Map<string, SeenIntent>;
  maps: (ObjectInfo & { id: string })[];
  packs: (ObjectInfo & { epoch: string })[];
  /** Every epoch that any object names; when its key came to the store, by the store's clock. */
  epochs: Map<string, Date | undefined>;
  /** By the key of a pack: the most bytes of it that one manifest needs. */
  live: Map<string, number>;
}

/** What a prune keeps of a header; those of large backups are large. */
export interface SeenManifest extends BackupPlace {
  info: ObjectInfo;
  epoch: string;
  signer: string;
  sequence: number;
  /** The backup that it followed. */
  previous: string | undefined;
  hash: string;
  state: "complete" | "partial";
  source: BackupSource;
}

export interface SeenIntent extends BackupPlace {
  info: ObjectInfo;
  epoch: string;
}
