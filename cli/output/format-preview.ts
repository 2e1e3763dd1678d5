import type { LimitBreach } from "../../core/retention/daily-limit.ts";
import type { Decision } from "../../core/retention/keep-backups.ts";
import { describeReason } from "../../core/retention/keep-reason.ts";
import { formatRule, type RetentionRule } from "../../core/retention/retention-rule.ts";
import { storedBytes, type StoredBackup } from "../../core/retention/simulate-retention.ts";
import { formatBytes, formatTable } from "./format.ts";

/** A backup with what people call its database, and its host's own time, which decides nothing. */
export interface NamedBackup extends StoredBackup {
  name: string;
  instance: string;
  finished: Date;
}

export interface Preview {
  rule: RetentionRule;
  at: Date;
  decisions: Decision<NamedBackup>[];
  breaches: LimitBreach[];
  /** False when the backups' packs were left out: what they hold is not counted then. */
  hasPacks: boolean;
}

/** What a rule keeps, as `--json` shows it. */
export function previewDocument(preview: Preview) {
  const { rule, at, decisions, breaches } = preview;
  const backups = decisions.map(({ backup, kept, reasons }) => {
    const { id, name, instance, kind, state, committed = null, finished } = backup;
    const why = reasons.map((reason) => ({ ...reason, text: describeReason(reason) }));
    return { backup: id, database: name, instance, kind, state, committed, finished, kept, why };
  });
  const confirm = breaches.map(({ database, going, limit }) => {
    return { database: nameOf(database, decisions), going, limit };
  });
  return { rule: formatRule(rule), at, backups, ...sums(preview), confirm };
}

/** The same for people. */
export function previewLines(preview: Preview): string[] {
  const { rule, at, decisions, breaches } = preview;
  const head = `Rule ${formatRule(rule)}, at ${at.toISOString()}`;
  if (decisions.length === 0) return [head, "", "No backups yet."];
  const rows = decisions.map(({ backup, kept, reasons }) => [
    backup.id,
    backup.name,
    backup.kind,
    backup.state,
    backup.committed?.toISOString() ?? `~${backup.finished.toISOString()}`,
    kept ? "stays" : "goes",
    reasons.map(describeReason).join("; ") || "nothing keeps it",
  ]);
  const { kept, going, bytes } = sums(preview);
  const frees =
    bytes === undefined
      ? ""
      : `: ${formatBytes(bytes.freed)} of ${formatBytes(bytes.stored)} are in packs that only those need`;
  return [
    head,
    "",
    ...formatTable([["BACKUP", "DATABASE", "KIND", "STATE", "STORED", "", "WHY"], ...rows]),
    "",
    `${kept} stay, ${going} would go${frees}.`,
    ...breaches.map(
      ({ database, going: count, limit }) =>
        `Of ${nameOf(database, decisions)}, ${count} would go in one day, where ${limit} may: ` +
        "applying this rule will ask for confirmation.",
    ),
  ];
}

interface Sums {
  kept: number;
  going: number;
  bytes?: { stored: number; freed: number };
}

function sums({ decisions, hasPacks }: Preview): Sums {
  const kept = decisions.filter((decision) => decision.kept).map(({ backup }) => backup);
  const counts = { kept: kept.length, going: decisions.length - kept.length };
  if (!hasPacks) return counts;
  const stored = storedBytes(decisions.map(({ backup }) => backup));
  return { ...counts, bytes: { stored, freed: stored - storedBytes(kept) } };
}

function nameOf(database: string, decisions: readonly Decision<NamedBackup>[]): string {
  return decisions.find(({ backup }) => backup.database === database)?.backup.name ?? database;
}
