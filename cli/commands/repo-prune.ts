import { Command, InvalidArgumentError } from "commander";
import type { PruneEvent } from "../../agent/prune/prune-event.ts";
import type { PrunePlan } from "../../agent/prune/prune-plan.ts";
import { pruneRepository } from "../../agent/prune/prune-repository.ts";
import { instancePattern, timedIdPattern } from "../../agent/repository/identifier.ts";
import { unreachable } from "../../core/unreachable.ts";
import { openRepositoryUrl } from "../direct/open-repository-url.ts";
import { operatorName } from "../direct/operator.ts";
import { pruneDocument, pruneLines, type PruneResult, sizeOf } from "./describe-prune.ts";
import { printResult } from "../output/print-result.ts";
import { Progress } from "../output/progress.ts";
import { jsonOption } from "./options.ts";

interface Flags {
  instance: string[];
  retireEpoch: string[];
  acceptMissing: boolean;
  confirm: boolean;
  json: boolean;
}

export function repoPruneCommand(signal: AbortSignal): Command {
  return new Command("prune")
    .description(
      "Removes deleted backups whose time to be undeleted has passed, and what nothing needs. " +
        "Needs no key. Says first what it would do.",
    )
    .argument("<repo-url>", "for example file:///backups")
    .option("--confirm", "do it", false)
    .option(
      "--instance <id>",
      "only this server; may be repeated",
      collect(instancePattern, "7312…"),
      [],
    )
    .option(
      "--retire-epoch <epoch>",
      "no host uses this epoch any more; may be repeated",
      collect(timedIdPattern, "20261120T101530Z-k3v9x0ap"),
      [],
    )
    .option("--accept-missing", "remove what only backups that are missing could need", false)
    .addOption(jsonOption)
    .addHelpText("after", help)
    .action(async (url: string, flags: Flags) => await run(url, { ...flags, signal }));
}

const help = `
Backups may run meanwhile. What nothing needs is removed when an earlier prune has seen that a day
before: run it every day. When anything cannot be read, nothing is removed.
--retire-epoch is for an epoch whose host will never come back; without it, the packs of such a one
are kept until nothing has happened in it for 60 days.
--accept-missing is for a copy of some backups, and for backups that are lost for good: when a backup
is missing that no prune has removed, the packs that it may have needed are kept.

Examples:
  dbctl repo prune file:///backups
  dbctl repo prune file:///backups --confirm`;

function collect(pattern: RegExp, example: string) {
  return (text: string, before: string[]): string[] => {
    if (!pattern.test(text)) throw new InvalidArgumentError(`expected an id such as ${example}`);
    return [...before, text];
  };
}

async function run(url: string, flags: Flags & { signal: AbortSignal }): Promise<void> {
  const { instance, retireEpoch, acceptMissing, confirm, json, signal } = flags;
  const { store, repository } = await openRepositoryUrl(url, { signal });
  const events = pruneRepository({
    store,
    repository: repository.id,
    by: operatorName(),
    now: () => new Date(),
    ...(instance.length > 0 ? { only: instance } : {}),
    retired: retireEpoch,
    acceptsMissing: acceptMissing,
    confirm,
    signal,
  });
  const result = await followPrune(events, confirm);
  await printResult(pruneDocument(result), { json, lines: pruneLines(result) });
}

/** Shows progress until the prune is finished. */
export async function followPrune(
  events: AsyncIterable<PruneEvent>,
  confirmed: boolean,
): Promise<PruneResult> {
  using progress = new Progress();
  progress.begin("reading the repository");
  let plan: PrunePlan | undefined;
  const result: Omit<PruneResult, "plan"> = {
    confirmed,
    removed: { backups: 0, objects: 0, bytes: 0 },
    retained: [],
    spared: [],
    inUse: [],
  };
  for await (const event of events) {
    if (event.kind === "planned") {
      ({ plan } = event);
      if (confirmed) progress.begin("removing", sizeOf(plan).bytes);
    } else count(event, result, progress);
  }
  if (plan === undefined) throw new Error("Cannot report the prune: it ended without a plan");
  return { ...result, plan };
}

function count(
  event: Exclude<PruneEvent, { kind: "planned" }>,
  result: Omit<PruneResult, "plan">,
  progress: Progress,
): void {
  switch (event.kind) {
    case "backup-removed":
      result.removed.backups++;
      return;
    case "removed":
      result.removed.objects++;
      result.removed.bytes += event.size;
      return progress.add(event.size);
    case "retained":
      return void result.retained.push(event);
    case "spared":
      return void result.spared.push(event.backup);
    case "epoch-in-use":
      return void result.inUse.push(event.epoch);
    default:
      return unreachable(event);
  }
}
