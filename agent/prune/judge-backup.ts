import type { MarkState } from "../repository/mark-state.ts";
import { settledMs } from "./judge-epoch.ts";
import type { Decision } from "./prune-plan.ts";

/** Whether a backup goes. `created` is when its manifest came to the store, where it tells. Pure. */
export function judgeBackup(
  marks: MarkState,
  { created, now }: { created: Date | undefined; now: Date },
): Decision {
  const { removing, deleted, held } = marks;
  if (removing !== undefined) return { act: "remove", why: "deleted" };
  if (held !== undefined) return { act: "keep", why: "held" };
  if (deleted === undefined) return { act: "keep", why: "wanted" };
  if (deleted.until > now) return { act: "wait", why: "undelete-window", until: deleted.until };
  const old = created === undefined ? now : new Date(+created + settledMs);
  if (old > now) return { act: "wait", why: "young", until: old };
  return { act: "remove", why: "deleted" };
}
