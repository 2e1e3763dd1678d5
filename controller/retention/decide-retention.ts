import { setImmediate } from "node:timers/promises";
import { breachesOfDailyLimit } from "../../core/retention/daily-limit.ts";
import { type Decision, keepBackups } from "../../core/retention/keep-backups.ts";
import { describeReason, type KeepReason } from "../../core/retention/keep-reason.ts";
import type { RetentionRule } from "../../core/retention/retention-rule.ts";
import { type ChosenDatabase, readChosen } from "../catalog/read-databases.ts";
import type { Db } from "../database/database.ts";
import type { AppliedPolicy } from "../policies/read-policies.ts";
import { type CatalogBackup, countDeleted, readCatalogBackups } from "./catalog-backup.ts";

/** The backups of one database in one repository, judged on their own. */
export interface JudgedGroup {
  /** host/database, as its newest backup has it. */
  database: string;
  repositoryUrl: string;
  /** Names of the policies, and their rules. Without one, all is kept. */
  policies: string[];
  rules: RetentionRule[];
  /** The oldest first. */
  decisions: Decision<CatalogBackup>[];
  /** How many may go in a day, when more would. */
  dailyLimit?: number;
}

interface Wanted {
  repositoryUrl?: string;
  /** host/database. */
  database?: string;
  /** Judge all by this one. */
  rule?: RetentionRule | undefined;
  /** Judge by these, as if they were applied. */
  policies?: readonly AppliedPolicy[] | undefined;
}

/** What is kept of the catalog's backups, and why, by the controller's clock. Changes nothing. */
export async function decideRetention(db: Db, wanted: Wanted, now: Date): Promise<JudgedGroup[]> {
  const live = await readLive(db, wanted);
  const gone = await countDeleted(db, new Date(now.getTime() - dayMs));
  const all = await readCatalogBackups(db, wanted);
  const { rule, database: only = "" } = wanted;
  const groups = [...Map.groupBy(all, ({ database }) => database).values()];
  const judged: JudgedGroup[] = [];
  for (const group of groups) {
    if (only !== "" && !group.some(({ name }) => name === only)) continue;
    judged.push(judgeGroup(group, { rule, live, gone, now }));
    if (judged.length % breath === 0) await setImmediate();
  }
  return judged;
}

/** Groups that are judged in one go: heartbeats must not wait for all of them. */
const breath = 100;
const dayMs = 24 * 3600 * 1000;

/** The policies of the databases that are there now. */
interface Live {
  byName: ReadonlyMap<string, ChosenDatabase>;
  /** By the server's own id and the database's name there. */
  byServer: ReadonlyMap<string, ChosenDatabase[]>;
}

async function readLive(db: Db, { policies }: Wanted): Promise<Live> {
  const databases = await readChosen(db, policies);
  const seen = databases.filter(({ instanceId }) => instanceId !== "");
  return {
    byName: new Map(databases.map((database) => [database.name, database])),
    byServer: Map.groupBy(seen, ({ instanceId, database }) => `${instanceId}/${database}`),
  };
}

interface Judging {
  rule: RetentionRule | undefined;
  live: Live;
  gone: ReadonlyMap<string, number>;
  now: Date;
}

function judgeGroup(
  backups: readonly CatalogBackup[],
  { rule, live, gone, now }: Judging,
): JudgedGroup {
  const { name: database, repositoryUrl } = backups.at(-1) ?? { name: "", repositoryUrl: "" };
  const policies = rule === undefined ? policiesOf(backups, live) : [];
  const rules = rule === undefined ? policies.map(({ retention }) => retention) : [rule];
  const decisions =
    rules.length === 0
      ? backups.map((backup) => ({ backup, kept: true, reasons: [] }))
      : judgeByAll(backups, rules, now);
  const [breach] = breachesOfDailyLimit(decisions, { now, gone });
  const names = policies.map(({ name }) => name);
  const limit = breach === undefined ? {} : { dailyLimit: breach.limit };
  return { database, repositoryUrl, policies: names, rules, decisions, ...limit };
}

/**
 * Those of the database by its name, or else of the same server under another host's name. There are
 * several when a server and its copy are both backed up: then what any of them wants is kept.
 */
function policiesOf(backups: readonly CatalogBackup[], live: Live): AppliedPolicy[] {
  const names = new Set(backups.map(({ name }) => name));
  const servers = new Set(backups.map((one) => `${one.instanceId}/${one.databaseName}`));
  const own = [...names].flatMap((name) => live.byName.get(name) ?? []);
  const same = [...servers].flatMap((server) => live.byServer.get(server) ?? []);
  const policies = (own.length > 0 ? own : same).map(({ policy }) => policy);
  // A database that nobody manages any more wants nothing to be deleted.
  if (policies.includes(undefined)) return [];
  const found = policies.filter((policy) => policy !== undefined);
  return [...new Map(found.map((policy) => [policy.name, policy])).values()];
}

/** What any rule keeps is kept. */
function judgeByAll(
  backups: readonly CatalogBackup[],
  rules: readonly RetentionRule[],
  now: Date,
): Decision<CatalogBackup>[] {
  const byRule = rules.map((rule) => keepBackups(backups, rule, { now }));
  return backups.map((backup, n) => {
    const reasons = byRule.flatMap((decisions) => decisions[n]?.reasons ?? []);
    return { backup, kept: reasons.length > 0, reasons: unlike(reasons) };
  });
}

function unlike(reasons: readonly KeepReason[]): KeepReason[] {
  return [...new Map(reasons.map((reason) => [describeReason(reason), reason])).values()];
}
