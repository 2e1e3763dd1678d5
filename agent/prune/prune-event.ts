import type { PrunePlan } from "./prune-plan.ts";

export type PruneEvent =
  /** What is to be done; a dry run ends with it. */
  | { kind: "planned"; plan: PrunePlan }
  | { kind: "backup-removed"; instance: string; backup: string }
  /** Undeleted, held or deleted anew since the plan was made. */
  | { kind: "spared"; instance: string; backup: string }
  /** Somebody works in an epoch that had seemed closed: its packs stay. */
  | { kind: "epoch-in-use"; instance: string; epoch: string }
  | { kind: "removed"; key: string; size: number }
  /** By an object lock, or without an end by a legal hold. */
  | { kind: "retained"; key: string; size: number; until: Date | undefined };
