import { formatDuration } from "../../core/duration.ts";
import { ruleSettings } from "../../core/retention/retention-rule.ts";
import { readDatabase } from "../catalog/read-databases.ts";
import { unknownDatabase } from "../catalog/unknown-database.ts";
import type { Db } from "../database/database.ts";
import { nextDue } from "../schedule/due-runs.ts";
import { policyKey } from "./parse-policies.ts";
import type { Policy } from "./policy.ts";

export interface Explanation {
  database: string;
  /** Empty when none selects it; then there are no settings. */
  policy: string;
  settings: Setting[];
  nextRunAt?: Date;
}

/** A value and where it comes from: `policy gold, line 7` or `default`. */
export interface Setting {
  name: string;
  value: string;
  origin: string;
}

/** Which policy a database has, where each of its values comes from, and when it runs next. */
export async function explainPolicy(db: Db, name: string, now: Date): Promise<Explanation> {
  const database = await readDatabase(db, name);
  if (database === undefined) throw await unknownDatabase(db, "explain", name);
  const { policy } = database;
  if (policy === undefined) return { database: name, policy: "", settings: [] };
  return {
    database: name,
    policy: policy.name,
    settings: settingsOf(policy),
    nextRunAt: nextDue(policy, name, now),
  };
}

/** One by the name that the file uses; of several each. */
function repositorySettings({ repositoryUrls, lines }: Policy): [string, string][] {
  if (lines["repositories"] === undefined) return repositoryUrls.map((url) => ["repository", url]);
  return repositoryUrls.map((url) => ["repositories", url]);
}

function settingsOf(policy: Policy): Setting[] {
  const values: [name: string, value: string][] = [
    ["select", policy.selector],
    ["schedule", policy.schedule],
    ["time_zone", policy.timeZone],
    ["rpo", formatDuration(policy.rpoSeconds)],
    ...repositorySettings(policy),
    ...ruleSettings(policy.retention).map(({ name, text }): [string, string] => [
      `retention.${policyKey(name)}`,
      text,
    ]),
    ["options.jobs", String(policy.jobs)],
    ["options.allow_missing", String(policy.allowMissing)],
    ["retry.times", String(policy.retries)],
    ["retry.delay", formatDuration(policy.retryDelaySeconds)],
    ...policy.webhooks.flatMap(({ url, minSeverity }, index): [string, string][] => [
      [`notify[${index}].webhook`, url],
      [`notify[${index}].min_severity`, minSeverity],
    ]),
  ];
  return values.map(([name, value]) => {
    const line = policy.lines[name];
    return {
      name,
      value,
      origin: line === undefined ? "default" : `policy ${policy.name}, line ${line}`,
    };
  });
}
