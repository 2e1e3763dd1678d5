import { Command } from "commander";
import { type RepositoryStats, repositoryStats } from "../../agent/stats/repository-stats.ts";
import { exitCodes } from "../../core/errors.ts";
import { type KeyFlags, unlock } from "../direct/held-keys.ts";
import { openRepositoryUrl } from "../direct/open-repository-url.ts";
import { formatBytes, formatTable } from "../output/format.ts";
import { printResult } from "../output/print-result.ts";
import { identityOption, jsonOption, passphraseOption } from "./options.ts";

interface StatsFlags extends KeyFlags {
  json: boolean;
  signal: AbortSignal;
}

export function repoStatsCommand(signal: AbortSignal): Command {
  return new Command("stats")
    .description("Shows what a repository holds, and what deduplication and compression save.")
    .argument("<repo-url>", "for example file:///backups")
    .addOption(identityOption)
    .addOption(passphraseOption)
    .addOption(jsonOption)
    .addHelpText(
      "after",
      "\nWithout a key, chunks are not counted and dead bytes are known between two bounds only." +
        "\nREFERENCED: what restoring every backup would give. DEAD: what is in packs and needed by nobody." +
        "\n\nExample:\n  dbctl repo stats file:///backups",
    )
    .action(async (url: string, flags: Omit<StatsFlags, "signal">) => {
      await stats(url, { ...flags, signal });
    });
}

async function stats(url: string, flags: StatsFlags): Promise<void> {
  const { json, signal } = flags;
  const { store, repository } = await openRepositoryUrl(url, { signal });
  const isNamed = flags.identity !== undefined || flags.passphraseFile !== undefined;
  const identity = isNamed ? await unlock(repository, flags, { signal }) : undefined;
  const found = await repositoryStats({ store, repository, identity, signal });
  const document = { repository: repository.id, url: store.url, ...found };
  await printResult(document, { json, lines: describe(found) });
  if (found.unreadable.length > 0) process.exitCode = exitCodes["repository-damaged"];
}

function describe({ databases, epochs, totals, unreadable }: RepositoryStats): string[] {
  const ratio = (whole: number, part: number) => (part > 0 ? `${(whole / part).toFixed(1)}x` : "-");
  return [
    `${totals.backups} backups, ${formatBytes(totals.referenced)} referenced, ` +
      `${formatBytes(totals.stored)} stored in packs, ${formatBytes(totals.described)} in maps and ` +
      `manifests: ${formatBytes(Math.max(totals.saved, 0))} saved, ${ratio(totals.referenced, totals.stored)}.`,
    ...(databases.length === 0 ? [] : [""]),
    ...formatTable([
      [
        "DATABASE",
        "SERVER",
        "BACKUPS",
        "EPOCHS",
        "OLDEST",
        "NEWEST",
        "REFERENCED",
        "NEW",
        "STORED",
        "RATIO",
      ],
      ...databases.map((one) => [
        one.database,
        one.instance,
        String(one.backups),
        String(one.epochs),
        one.oldest.slice(0, 16),
        one.newest.slice(0, 16),
        formatBytes(one.referenced),
        formatBytes(one.new),
        formatBytes(one.stored),
        ratio(one.referenced, one.stored),
      ]),
    ]),
    "",
    ...formatTable([
      ["EPOCH", "SERVER", "BACKUPS", "PACKS", "STORED", "DEAD", "ORPHANED", "CHUNKS", "REFERENCES"],
      ...epochs.map((one) => [
        one.epoch,
        one.instance,
        String(one.backups),
        String(one.packs),
        formatBytes(one.stored),
        describeDead(one.dead),
        formatBytes(one.orphaned.bytes),
        one.chunks === undefined ? "?" : String(one.chunks.different),
        one.chunks === undefined ? "?" : String(one.chunks.references),
      ]),
    ]),
    ...unreadable.map(({ object, what }) => `Not counted: ${object}: ${what}`),
  ];
}

function describeDead({ atLeast, atMost }: { atLeast: number; atMost: number }): string {
  if (atLeast === atMost) return formatBytes(atLeast);
  return `${formatBytes(atLeast)} to ${formatBytes(atMost)}`;
}
