import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampDate, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { type AppliedRetention, deleteUnkept } from "../../agent/marks/apply-retention.ts";
import { type BackupState, findStates } from "../../agent/marks/find-states.ts";
import { type DecidedGroup, judgeAgain } from "../../agent/marks/judge-again.ts";
import { DbctlError } from "../../core/errors.ts";
import { parseRule, splitRuleText } from "../../core/retention/retention-rule.ts";
import type {
  DecideDeletionsResponse,
  FoundBackupSchema,
  RetentionGroup,
} from "../../proto/gen/dbctl/v1/retention_pb.ts";
import type { RetentionClient } from "./ask-retention.ts";
import type { OpenedRepository } from "./open-repository-url.ts";
import { operatorName } from "./operator.ts";

/** Databases of which nothing goes, because too much would go in one day. */
export interface HeldBack {
  /** host/database. */
  database: string;
  going: number;
  limit: number;
}

interface Options {
  /** As the controller decided, of this repository. */
  decided: DecideDeletionsResponse;
  /** Seconds for which what goes can be had back. */
  window: number;
  /** Delete even more than a fifth of a database's backups in a day. */
  overLimit: boolean;
  /** Without it, nothing is written. */
  confirm: boolean;
  /** This machine's clock. */
  now: Date;
  signal: AbortSignal;
}

/**
 * Marks what the policies do not keep, and what this repository lets go as well. The controller's
 * clock and the store's must both say that it is old enough.
 */
export async function applyDecisions(
  { store, repository }: OpenedRepository,
  { decided, window, overLimit, confirm, now, signal }: Options,
): Promise<{ applied: AppliedRetention; heldBack: HeldBack[] }> {
  assertSameTime(decided, now);
  const over = overLimit ? [] : decided.groups.filter(({ dailyLimit }) => dailyLimit > 0);
  const groups = decided.groups.map((group) => groupOf(group, { spared: over.includes(group) }));
  const policies = new Map(
    decided.groups.flatMap(({ policy, rules, decisions }) =>
      decisions.map(({ backupId }) => [backupId, `policy ${policy} (${rules.join("; ")})`]),
    ),
  );
  const applied = await deleteUnkept({
    store,
    repository: repository.id,
    judge: (backups) => judgeAgain(backups, groups, now),
    reasonOf: ({ id }) => `not kept by ${policies.get(id) ?? ""}`,
    window,
    overLimit,
    confirm,
    by: operatorName(),
    now,
    signal,
  });
  return { applied, heldBack: [...over.map(heldBackOf), ...breachesOf(applied)] };
}

const toleranceMs = 24 * 3600 * 1000;

/** One of two clocks that differ by more than a day is wrong, and either would delete too early. */
function assertSameTime({ at }: DecideDeletionsResponse, now: Date): void {
  const there = at === undefined ? undefined : timestampDate(at);
  if (there !== undefined && Math.abs(+there - +now) <= toleranceMs) return;
  const what = `this machine says ${now.toISOString()}, and the controller ${there?.toISOString() ?? "nothing"}`;
  throw new DbctlError("failed", `Cannot apply retention: ${what}`, {
    remedy: "Set the clock of this machine, or of the controller's",
  });
}

function groupOf(
  { rules, decisions }: RetentionGroup,
  { spared }: { spared: boolean },
): DecidedGroup {
  return {
    rules: rules.map((rule) => parseRule(splitRuleText(rule))),
    decisions: decisions.map(({ backupId: id, kept, verified, damaged }) => {
      return { id, kept: kept || spared, verified, damaged };
    }),
  };
}

function heldBackOf({ database, decisions, dailyLimit: limit }: RetentionGroup): HeldBack {
  return { database, going: decisions.filter(({ kept }) => !kept).length, limit };
}

function breachesOf({ breaches, decisions }: AppliedRetention): HeldBack[] {
  return breaches.map(({ database: key, going, limit }) => {
    const found = decisions.find(({ backup }) => backup.database === key);
    return { database: found?.backup.name ?? key, going, limit };
  });
}

interface Report {
  url: string;
  decided: DecideDeletionsResponse;
  client: Pick<RetentionClient, "reportBackups">;
  signal: AbortSignal;
}

/** Reports that one message holds. */
const batch = 1000;

/** Tells the controller what the repository says of all backups that it knows there. */
export async function reportStates(
  { store, repository }: OpenedRepository,
  { url, decided, client, signal }: Report,
): Promise<number> {
  const known = decided.groups.flatMap(({ decisions }) =>
    decisions.map(({ backupId }) => backupId),
  );
  const ids = [...new Set([...known, ...decided.deletedIds])];
  const states = await findStates(store, ids, { repository: repository.id, signal });
  let changed = 0;
  for (let at = 0; at < states.length; at += batch) {
    const backups = states.slice(at, at + batch).map(foundBackup);
    const answer = await client.reportBackups({ repositoryUrl: url, backups }, { signal });
    changed += answer.changed;
  }
  return changed;
}

function foundBackup(found: BackupState): FoundInit {
  const { id: backupId, hold, tags } = found;
  return { backupId, hold, tags, state: stateOf(found) };
}

function stateOf(found: BackupState): NonNullable<FoundInit["state"]> {
  switch (found.state) {
    case "there":
      return { case: "there", value: {} };
    case "deleted":
      return { case: "deleted", value: { undeleteUntil: timestampFromDate(found.until) } };
    case "removed":
      return { case: "removed", value: {} };
    case "missing":
      return { case: "missing", value: {} };
  }
}

type FoundInit = MessageInitShape<typeof FoundBackupSchema>;
