import { formatBytes, formatTable } from "./format.ts";
import { isoOf } from "./format-job.ts";
import type {
  PreviewRetentionResponse,
  RetentionDecision,
  RetentionGroup,
} from "../../proto/gen/dbctl/v1/retention_pb.ts";

/** What the fleet's policies keep, as `--json` shows it. */
export function fleetPreviewDocument({ at, groups }: PreviewRetentionResponse) {
  return {
    at: isoOf(at),
    databases: groups.map(({ database, repositoryUrl, policy, rules, dailyLimit, decisions }) => ({
      database,
      repository: repositoryUrl,
      policy: policy || null,
      rules,
      confirm: dailyLimit === 0 ? null : { going: goingOf(decisions).length, limit: dailyLimit },
      backups: decisions.map((one) => ({
        backup: one.backupId,
        state: one.state,
        committed: isoOf(one.committedAt),
        stored: Number(one.bytesStored),
        verified: one.verified,
        kept: one.kept,
        why: one.reasons,
      })),
    })),
  };
}

/** The same for people. */
export function fleetPreviewLines({ at, groups }: PreviewRetentionResponse): string[] {
  const head = `By the controller's clock, ${isoOf(at) ?? "?"}`;
  if (groups.length === 0) return [head, "", "No backups yet."];
  return [head, ...groups.flatMap((group) => ["", ...groupLines(group)])];
}

function groupLines(group: RetentionGroup): string[] {
  const { database, repositoryUrl, policy, rules, decisions, dailyLimit } = group;
  const by = [policy === "" ? "" : `policy ${policy}`, rules.join("; ")].filter(
    (one) => one !== "",
  );
  const going = goingOf(decisions);
  const bytes = going.reduce((sum, { bytesStored }) => sum + Number(bytesStored), 0);
  const rows = decisions.map(({ backupId, state, committedAt, kept, reasons }) => [
    backupId,
    state,
    isoOf(committedAt) ?? "?",
    kept ? "stays" : "goes",
    reasons.join("; ") || "nothing keeps it",
  ]);
  return [
    `${database} in ${repositoryUrl}: ${by.join(", ") || "no policy"}`,
    ...formatTable([["BACKUP", "STATE", "COMMITTED", "", "WHY"], ...rows]),
    `${decisions.length - going.length} stay, ${going.length} would go; they need ${formatBytes(bytes)}, in part with others.`,
    ...(dailyLimit === 0
      ? []
      : [`Only ${dailyLimit} may go in one day: applying it will ask for --over-limit.`]),
  ];
}

function goingOf(decisions: readonly RetentionDecision[]): RetentionDecision[] {
  return decisions.filter(({ kept }) => !kept);
}
