import { Command } from "commander";
import { checkRepository, type RepositoryCheckResult } from "../../agent/check/check-repository.ts";
import type { Finding } from "../../agent/check/finding.ts";
import { exitCodes } from "../../core/errors.ts";
import { type KeyFlags, unlock } from "../direct/held-keys.ts";
import { type OpenedRepository, openRepositoryUrl } from "../direct/open-repository-url.ts";
import { describeDamages } from "../output/describe-damages.ts";
import { formatBytes } from "../output/format.ts";
import { printResult } from "../output/print-result.ts";
import { Progress } from "../output/progress.ts";
import { type AskedDepth, depthOption, seedOption, withSeed } from "./depth-option.ts";
import { identityOption, jsonOption, passphraseOption } from "./options.ts";

interface CheckFlags extends KeyFlags {
  depth: AskedDepth;
  seed?: string;
  partialCopy: boolean;
  json: boolean;
  signal: AbortSignal;
}

export function repoCheckCommand(signal: AbortSignal): Command {
  return new Command("check")
    .description("Looks at every object of a repository, and names what is wrong and whom it hits.")
    .argument("<repo-url>", "for example file:///backups")
    .addOption(depthOption("quick"))
    .addOption(seedOption)
    .addOption(identityOption)
    .addOption(passphraseOption)
    .option(
      "--partial-copy",
      "the repository holds some of the backups only: dbctl repo sync",
      false,
    )
    .addOption(jsonOption)
    .addHelpText(
      "after",
      "\nquick needs no key. Without a key, index reads all maps and manifests by their signed hashes," +
        "\nand of packs the beginning and the end. Runs beside backups. Exit code 65: something is damaged." +
        "\n\nExamples:\n  dbctl repo check file:///backups" +
        "\n  dbctl repo check file:///backups --depth full --identity identity.txt",
    )
    .action(async (url: string, flags: Omit<CheckFlags, "signal">) => {
      await check(url, { ...flags, signal });
    });
}

async function check(url: string, flags: CheckFlags): Promise<void> {
  const { json, seed } = flags;
  const opened = await openRepositoryUrl(url, flags);
  const depth = withSeed(flags.depth, seed);
  using progress = new Progress();
  const result = await runCheck(opened, { ...flags, depth, progress });
  progress[Symbol.dispose]();
  const damages = damagesOf(result.findings);
  const drawn = depth.kind === "sample" ? { seed: depth.seed } : {};
  const document = {
    repository: opened.repository.id,
    ok: damages.length === 0,
    ...result,
    ...drawn,
  };
  await printResult(document, { json, lines: describe(result) });
  if (damages.length > 0) process.exitCode = exitCodes["repository-damaged"];
}

interface Running extends Omit<CheckFlags, "depth"> {
  depth: ReturnType<typeof withSeed>;
  progress: Progress;
}

/** A key that was named has to open something; without one, as much is checked as can be. */
async function runCheck(
  { store, repository }: OpenedRepository,
  { depth, partialCopy: isPartialCopy, progress, signal, ...flags }: Running,
): Promise<RepositoryCheckResult> {
  const isNamed = flags.identity !== undefined || flags.passphraseFile !== undefined;
  const identity =
    isNamed && depth.kind !== "quick" ? await unlock(repository, flags, { signal }) : undefined;
  const request = { store, repository, identity, depth, isPartialCopy, signal };
  for await (const event of checkRepository(request, { at: new Date() })) {
    if (event.kind === "instance-begun")
      progress.begin(`checking ${event.backups} backups of ${event.instance}`);
    else if (event.kind === "progress") progress.add(event.looked.bytes);
    else if (event.kind === "finished") return event.result;
  }
  throw new Error("Cannot report the check: it ended without a result");
}

function damagesOf(findings: readonly Finding[]): Finding[] {
  return findings.filter(({ severity }) => severity === "damage");
}

function describe(result: RepositoryCheckResult): string[] {
  const { findings, backups, depth, checkedBytes, checkedChunks, opened } = result;
  const damages = damagesOf(findings);
  const notes = findings.filter(({ severity }) => severity === "note");
  const whole = backups.filter(({ restorable }) => restorable === "whole").length;
  const read =
    checkedChunks > 0
      ? `, ${checkedChunks} chunks, ${formatBytes(checkedBytes)} read and hashed`
      : "";
  const how = opened || depth === "quick" ? "" : "; packs could not be opened without a key";
  return [
    `Checked ${backups.length} backups (${depth}${read}${how}): ` +
      (damages.length === 0 ? "nothing is damaged." : `${damages.length} damages.`),
    ...damages.flatMap((damage) =>
      describeDamages([{ ...damage, what: `${damage.kind}: ${damage.what}` }]),
    ),
    ...describeNotes(notes),
    ...(damages.length === 0
      ? []
      : [`${whole} of ${backups.length} backups can be restored whole.`]),
    ...backups
      .filter(({ ok }) => !ok)
      .map(
        ({ id, database, restorable, damagedTables }) =>
          `  backup ${id} of ${database}: restorable: ${restorable}` +
          (damagedTables.length === 0 ? "" : `; damaged: ${damagedTables.join(", ")}`),
      ),
    ...(damages.length === 0 ? [] : ["  → Heal it from a copy with dbctl repo heal"]),
  ];
}

/** Notes are many and alike: counted, with one example. */
function describeNotes(notes: readonly Finding[]): string[] {
  return [...Map.groupBy(notes, ({ kind }) => kind)].map(
    ([kind, alike]) =>
      `  note: ${alike.length} ${kind}, for example ${alike[0]?.object}: ${alike[0]?.what}`,
  );
}
