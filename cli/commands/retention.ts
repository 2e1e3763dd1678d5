import { Command, Option } from "commander";
import { factsByMarks } from "../../agent/marks/backup-facts.ts";
import { readAllMarks } from "../../agent/repository/read-all-marks.ts";
import { listStoredBackups } from "../../agent/retention/list-stored-backups.ts";
import type { ListedBackup } from "../../agent/retention/list-stored-backups.ts";
import { DbctlError } from "../../core/errors.ts";
import { breachesOfDailyLimit } from "../../core/retention/daily-limit.ts";
import { keepBackups } from "../../core/retention/keep-backups.ts";
import type { RetentionRule } from "../../core/retention/retention-rule.ts";
import { defaultRule } from "../../core/retention/retention-rule.ts";
import { simulateRetention } from "../../core/retention/simulate-retention.ts";
import type { StoredBackup } from "../../core/retention/simulate-retention.ts";
import { openRepositoryUrl } from "../direct/open-repository-url.ts";
import { previewDocument, previewLines } from "../output/format-preview.ts";
import { simulationDocument, simulationLines } from "../output/format-simulation.ts";
import { printResult } from "../output/print-result.ts";
import { imagineFuture, imagineSeries } from "./imagine-future.ts";
import { previewFleet } from "./fleet-preview.ts";
import { jsonOption } from "./options.ts";
import { retentionApplyCommand } from "./retention-apply.ts";
import {
  collect,
  readPlan,
  ruleOfFlags,
  ruleOptions,
  rulesToCompare,
} from "./retention-options.ts";
import type { RuleFlags, SimulateFlags } from "./retention-options.ts";

const repoOption = new Option(
  "--repo <url>",
  "the repository, for example file:///backups; the fleet's catalog unless named",
).env("DBCTL_REPO");
const databaseOption = new Option("--database <name>", "only this one, for example db7/shop");

export function retentionCommand(signal: AbortSignal): Command {
  const preview = new Command("preview")
    .description(
      "Shows which backups of a repository or of the fleet are kept, and why. Removes nothing.",
    )
    .addOption(repoOption)
    .addOption(databaseOption)
    .addHelpText("after", previewHelp)
    .action(async (flags: PreviewFlags) => await runPreview(flags, signal));
  const simulate = new Command("simulate")
    .description("Shows what rules keep over time, of real or of imagined backups.")
    // Not from the environment: it decides whether real backups are meant.
    .addOption(new Option("--repo <url>", "go on from the backups of this repository"))
    .addOption(databaseOption)
    .option("--every <time>", "imagine a backup each 6h (for example); as before, with --repo")
    .option("--size <size>", "what one backup stores, for example 20GB; as before, with --repo")
    .option("--growth <share>", "how that grows: 1%/d, 5%/w, 10%/mo, 50%/y")
    .option("--for <time>", "how long, for example 1y; 90d unless told")
    .option("--days <list>", "the days to look at; 7,14,30,60,90 up to the end unless told")
    .option("--price <amount>", "of a GB for a month, to show what it costs")
    .addOption(
      new Option("--compare <rule>", "one more rule, beside the flags': keep-last=7,keep-weekly=4")
        .argParser(collect)
        .default([], "none"),
    )
    .addHelpText("after", simulateHelp)
    .action(async (flags: SimulateFlags) => await runSimulate(flags, signal));
  for (const verb of [preview, simulate])
    for (const option of [...ruleOptions(), jsonOption]) verb.addOption(option);
  return new Command("retention")
    .description("Shows which backups a retention rule keeps, and deletes the others.")
    .addCommand(preview)
    .addCommand(retentionApplyCommand(signal))
    .addCommand(simulate);
}

const ruleHelp =
  "\nA backup stays when any part of the rule keeps it. Without a rule: --keep-days 30 --keep-min 5." +
  "\nWhatever the rule, these stay: the newest good and the newest proved backup of a database, what" +
  "\nis held or locked, what is younger than 24 hours, and what was stored at an unknown time.";

const previewHelp = `${ruleHelp}
Of the fleet's catalog (without --repo) the policies are the rule, unless one is given.

Examples:
  dbctl retention preview --database db7/shop
  dbctl retention preview --repo file:///backups --keep-daily 7 --keep-weekly 4 --weekday sun`;

const simulateHelp = `${ruleHelp}

Examples:
  dbctl retention simulate --every 6h --size 20GB --growth 1%/mo --for 1y --gfs
  dbctl retention simulate --repo file:///backups --compare keep-last=7 --compare daily=7,weekly=4`;

interface PreviewFlags extends RuleFlags {
  repo?: string;
  database?: string;
  json: boolean;
}

async function runPreview(flags: PreviewFlags, signal: AbortSignal): Promise<void> {
  const { repo, database, json } = flags;
  const asked = ruleOfFlags(flags);
  if (repo === undefined) return await previewFleet({ database, rule: asked, json, signal });
  const rule = asked ?? defaultRule;
  const backups = await readBackups({ ...flags, repo }, signal);
  const now = new Date();
  const decisions = keepBackups(backups, rule, { now }).toSorted(byDatabaseThenTime);
  // What went today is known to whoever applies the rule; here the whole of it is one day's work.
  const breaches = breachesOfDailyLimit(decisions, { now, gone: new Map() });
  const preview = { rule, at: now, decisions, breaches, hasPacks: true };
  const lines = previewLines(preview);
  await printResult(previewDocument(preview), { json: flags.json, lines });
}

function byDatabaseThenTime(
  { backup: a }: { backup: ListedBackup },
  { backup: b }: { backup: ListedBackup },
): number {
  const [keyA, keyB] = [a, b].map(({ name, instance, kind }) => `${name}\n${instance}\n${kind}`);
  if (keyA !== keyB) return (keyA ?? "") < (keyB ?? "") ? -1 : 1;
  return Number(a.committed ?? a.finished) - Number(b.committed ?? b.finished);
}

async function runSimulate(flags: SimulateFlags, signal: AbortSignal): Promise<void> {
  const plan = readPlan(flags);
  const rules = rulesToCompare(flags, flags.compare);
  const from = new Date();
  const until = new Date(from.getTime() + Math.max(...plan.days) * 86_400_000);
  const { repo } = flags;
  const past = repo === undefined ? [] : await readBackups({ ...flags, repo }, signal);
  const future =
    repo === undefined
      ? imagineSeries(plan, { from, until })
      : imagineFuture(past, plan, { from, until });
  const backups: StoredBackup[] = [...past, ...future];
  const simulations = rules.map((rule: RetentionRule) => ({
    rule,
    ...simulateRetention(backups, rule, { from, days: plan.days }),
  }));
  const document = { from, real: past.length, imagined: future.length, price: plan.price };
  const lines = simulationLines(simulations, document);
  await printResult(simulationDocument(simulations, document), { json: flags.json, lines });
}

async function readBackups(
  { repo, database }: { repo: string; database?: string },
  signal: AbortSignal,
): Promise<ListedBackup[]> {
  const { store, repository } = await openRepositoryUrl(repo, { signal });
  const marks = await readAllMarks(store, { repository: repository.id, signal });
  const all = await listStoredBackups(store, { factsOf: factsByMarks(marks), signal });
  if (database === undefined) return all;
  const found = all.filter(({ name }) => name === database);
  if (found.length > 0) return found;
  const names = [...new Set(all.map(({ name }) => name))].toSorted().join(", ");
  throw new DbctlError("database-unknown", `Cannot find "${database}" in ${store.url}`, {
    remedy: names === "" ? "There is no backup at all" : `There are backups of ${names}`,
  });
}
