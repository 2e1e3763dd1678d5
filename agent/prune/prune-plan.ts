import type { PruneRecord } from "../repository/prune-record.ts";
import type { ObjectInfo } from "../store/object-store.ts";
import type { EpochState } from "./judge-epoch.ts";
import type { SeenManifest } from "./inventory.ts";

/** What is to be done with one object, and why. */
export type Decision =
  | { act: "keep"; why: "wanted" | "held" | "needed" }
  | { act: "wait"; why: WaitReason; until: Date | undefined }
  | { act: "remove"; why: RemoveReason };

export type WaitReason =
  /** Deleted, and can still be had back. */
  | "undelete-window"
  /** Younger than a day. */
  | "young"
  /** Nothing needs it, and its epoch is still in use or may be. */
  | "epoch-open"
  /** Its backup has no manifest, and may still be running. */
  | "may-be-running"
  /** Its backup's manifest is missing, and no prune has removed it. */
  | "incomplete"
  /** Nothing needs it; an earlier prune has not seen that for a day. */
  | "just-seen"
  /** By an object lock or a legal hold of the store. */
  | "retained";

export type RemoveReason =
  | "deleted"
  /** What a removed or a finished backup has left. */
  | "of-an-ended-backup"
  /** Of a backup that never was one. */
  | "left-over"
  | "unreferenced"
  | "old-record";

export interface PlannedBackup {
  manifest: SeenManifest;
  maps: ObjectInfo[];
  decision: Decision;
}

export interface PlannedObject {
  info: ObjectInfo;
  kind: "map" | "intent" | "pack" | "probe" | "record";
  /** Undefined for what belongs to no server, to no backup, to none that is known. */
  instance?: string;
  backup?: string;
  epoch?: string;
  decision: Decision;
}

/** What an epoch's packs hold, in bytes. */
export interface PlannedEpoch {
  instance: string;
  epoch: string;
  state: EpochState;
  packs: number;
  stored: number;
  /** Of packs that no manifest needs. */
  unreferenced: number;
  /** At most so much of the needed packs is dead: chunks that only removed backups had. */
  partlyDead: number;
}

/** Decided, not done. */
export interface PrunePlan {
  backups: PlannedBackup[];
  objects: PlannedObject[];
  epochs: PlannedEpoch[];
  /** For the next prune. */
  record: Pick<PruneRecord, "epochs" | "chains" | "seen">;
  /** Backups that are missing, and that no prune has removed. */
  missing: { instance: string; backups: string[] }[];
  /** Hosts that count as one: a copied machine or a replayed manifest. */
  forked: { instance: string; signer: string; sequence: number; backups: string[] }[];
}
