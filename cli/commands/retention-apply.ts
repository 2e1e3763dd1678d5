import { Command, Option } from "commander";
import { applyRetention } from "../../agent/marks/apply-retention.ts";
import { DbctlError } from "../../core/errors.ts";
import { openRepositoryUrl } from "../direct/open-repository-url.ts";
import { operatorName } from "../direct/operator.ts";
import { previewDocument, previewLines } from "../output/format-preview.ts";
import { printResult } from "../output/print-result.ts";
import { windowOption } from "./backups-mark.ts";
import { applyFleetRetention } from "./fleet-apply.ts";
import { jsonOption } from "./options.ts";
import { type RuleFlags, ruleOfFlags, ruleOptions } from "./retention-options.ts";

interface ApplyFlags extends RuleFlags {
  repo?: string;
  fleet: boolean;
  database?: string;
  undeleteWindow: number;
  overLimit: boolean;
  confirm: boolean;
  json: boolean;
}

export function retentionApplyCommand(signal: AbortSignal): Command {
  const apply = new Command("apply")
    .description("Marks what a rule does not keep as deleted. Says first what it would do.")
    .addOption(
      new Option(
        "--repo <url>",
        "the repository, for example file:///backups; with --fleet only this one",
      ).env("DBCTL_REPO"),
    )
    .option(
      "--fleet",
      "what the policies do not keep, in the fleet's repositories; prunes them",
      false,
    )
    .option("--database <name>", "only this one, for example db7/shop")
    .addOption(windowOption)
    .option("--over-limit", "delete even more than a fifth of a database's backups in a day", false)
    .option("--confirm", "do it", false)
    .addHelpText("after", help)
    .action(async (flags: ApplyFlags) => {
      if (flags.fleet) await runFleet(flags, signal);
      else await run(flags, signal);
    });
  for (const option of [...ruleOptions(), jsonOption]) apply.addOption(option);
  return apply;
}

const help = `
A backup stays when any part of the rule keeps it; dbctl retention preview shows why. What goes can be
undeleted within its window, and is removed by dbctl repo prune after it. Nothing goes when a manifest
cannot be read, and nothing of a database of which more than a fifth would go within a day.
With --fleet the controller decides by its policies and its clock; this machine, which holds the
pruner's credentials, looks again, marks, prunes, and reports to the catalog. Exit code 1 when a
database has to wait for --over-limit.

Examples:
  dbctl retention apply --repo file:///backups --keep-daily 7 --keep-weekly 4 --confirm
  dbctl retention apply --fleet --confirm`;

async function runFleet(flags: ApplyFlags, signal: AbortSignal): Promise<void> {
  if (flags.database !== undefined || ruleOfFlags(flags) !== undefined)
    throw new DbctlError(
      "usage",
      "Cannot apply retention: with --fleet the policies are the rule",
      {
        remedy: "Leave --database and the rule out, or name a repository with --repo instead",
      },
    );
  await applyFleetRetention({ ...flags, signal });
}

async function run(flags: ApplyFlags, signal: AbortSignal): Promise<void> {
  const { database, undeleteWindow: window, overLimit, confirm, json } = flags;
  const rule = ruleOfFlags(flags);
  if (rule === undefined)
    throw new DbctlError("usage", "Cannot apply a retention rule: none is given", {
      remedy: "For example --keep-daily 7 --keep-weekly 4; see dbctl retention preview --help",
    });
  if (flags.repo === undefined)
    throw new DbctlError("usage", "Cannot apply retention: no repository is named", {
      remedy: "Add --repo file:///…, or --fleet for the repositories of the fleet's policies",
    });
  const { store, repository } = await openRepositoryUrl(flags.repo, { signal });
  const now = new Date();
  const { decisions, breaches, deleted } = await applyRetention({
    store,
    repository: repository.id,
    rule,
    window,
    ...(database === undefined ? {} : { only: ({ name }) => name === database }),
    overLimit,
    confirm,
    by: operatorName(),
    now,
    signal,
  });
  if (database !== undefined && decisions.length === 0)
    throw new DbctlError("database-unknown", `Cannot find "${database}" in ${store.url}`, {
      remedy: "See dbctl backups ls for the databases",
    });
  const preview = { rule, at: now, decisions, breaches, hasPacks: false };
  const document = { ...previewDocument(preview), confirmed: confirm, deleted };
  const limits = breaches.length === 0 ? [] : ["Add --over-limit to delete of those as well."];
  const done = confirm
    ? `${deleted.length} backups are deleted, and can be had back with dbctl backups undelete.`
    : "Nothing was changed: add --confirm.";
  await printResult(document, { json, lines: [...previewLines(preview), ...limits, done] });
}
