import { Command } from "commander";
import { checkRepository, type RepositoryCheckResult } from "../../agent/check/check-repository.ts";
import { compareCatalog } from "../../agent/check/compare-catalog.ts";
import { damageAt, type Finding } from "../../agent/check/finding.ts";
import { type Healed, healRepository } from "../../agent/check/heal-repository.ts";
import { openStore } from "../../agent/adapters.ts";
import { listBackups } from "../../agent/repository/list-backups.ts";
import { repositoryKey } from "../../agent/repository/object-key.ts";
import type { CheckDepth } from "../../agent/repository/check-depth.ts";
import type { TransferCaps } from "../../agent/store/transfer-limit.ts";
import { DbctlError, exitCodes } from "../../core/errors.ts";
import type { VerifyDepth } from "../../core/verify-depth.ts";
import type { Secret } from "../../core/secret.ts";
import { type KeyFlags, unlock } from "../direct/held-keys.ts";
import { type OpenedRepository, openRepositoryUrl } from "../direct/open-repository-url.ts";
import { readCatalog } from "../direct/read-catalog.ts";
import { describeDamages } from "../output/describe-damages.ts";
import { formatBytes } from "../output/format.ts";
import { printResult } from "../output/print-result.ts";
import { Progress } from "../output/progress.ts";
import { depthOption, seedOption, withSeed } from "./depth-option.ts";
import { identityOption, jsonOption, passphraseOption } from "./options.ts";
import {
  capsOf,
  downloadLimitOption,
  type TransferFlags,
  uploadLimitOption,
} from "./transfer-options.ts";

interface CheckFlags extends KeyFlags, TransferFlags {
  depth: VerifyDepth;
  seed?: string;
  partialCopy: boolean;
  catalog: boolean;
  healFrom?: string;
  confirm: boolean;
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
    .addOption(uploadLimitOption)
    .addOption(downloadLimitOption)
    .option("--heal-from <repo-url>", "a copy: say what it can put back; with --confirm, do it")
    .option("--confirm", "with --heal-from: yes, replace what is damaged", false)
    .option("--catalog", "hold the fleet's catalog against it, too", false)
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
        "\n  dbctl repo check file:///backups --depth full --identity identity.txt" +
        "\n  dbctl repo check file:///backups --heal-from file:///mnt/copy --confirm",
    )
    .action(async (url: string, flags: Omit<CheckFlags, "signal">) => {
      await check(url, { ...flags, signal });
    });
}

async function check(url: string, flags: CheckFlags): Promise<void> {
  const { json, seed, healFrom, confirm, signal } = flags;
  if (confirm && healFrom === undefined)
    throw new DbctlError("usage", "Cannot heal: no copy is named", {
      remedy: "Add --heal-from with the URL of a copy",
    });
  const caps = capsOf(flags);
  const copy =
    healFrom === undefined ? undefined : await openRepositoryUrl(healFrom, { caps, signal });
  const { lost, ...opened } = await openOrTakeCopy(url, copy, { caps, signal });
  const depth = withSeed(flags.depth, seed);
  using progress = new Progress();
  const running = {
    ...flags,
    caps,
    depth,
    progress,
    identity: depth.kind === "quick" && copy === undefined ? undefined : await keyOf(opened, flags),
  };
  let result = await runCheck(opened, running);
  const healed: Healed[] = [];
  if (copy !== undefined) result = await heal(opened, { ...running, result, copy, lost, healed });
  if (!isHealed(healed)) result = { ...result, findings: [...lost, ...result.findings] };
  if (flags.catalog) result = await withCatalog(opened, { ...flags, url, result });
  progress[Symbol.dispose]();
  const damages = damagesOf(result.findings);
  const drawn = depth.kind === "sample" ? { seed: depth.seed } : {};
  const ok = damages.length === 0;
  const { id } = opened.repository;
  const document = { repository: id, ok, ...result, ...drawn, healed, ...errorOf(url, damages) };
  const lines = [...healed.map(describeHealed), ...describe(result, healFrom === undefined)];
  await printResult(document, { json, lines });
  if (!ok) process.exitCode = exitCodes["repository-damaged"];
}

function errorOf(url: string, { length }: readonly Finding[]) {
  if (length === 0) return {};
  const message = `Cannot trust ${url}: ${length} damages were found`;
  return { error: { code: "repository-damaged", message, remedy: healHint } };
}

const healHint = "Heal it from a copy: dbctl repo check … --heal-from URL";

/** What only the catalog or only the store has. */
async function withCatalog(
  { store }: OpenedRepository,
  { url, result, signal }: { url: string; result: RepositoryCheckResult; signal: AbortSignal },
): Promise<RepositoryCheckResult> {
  const catalog = await readCatalog([url, store.url], { signal });
  const found = await compareCatalog(result, { store, ...catalog, signal });
  return { ...result, findings: [...result.findings, ...found] };
}

interface Running extends Omit<CheckFlags, "depth" | "identity"> {
  caps: TransferCaps;
  depth: CheckDepth;
  identity: Secret | undefined;
  progress: Progress;
}

/**
 * Without its repository.json, a repository is opened as its copy says: `lost` tells. A place that
 * holds none of its backups is no repository that could be healed.
 */
async function openOrTakeCopy(
  url: string,
  copy: OpenedRepository | undefined,
  { caps, signal }: { caps: TransferCaps; signal: AbortSignal },
): Promise<OpenedRepository & { lost: Finding[] }> {
  try {
    return { ...(await openRepositoryUrl(url, { caps, signal })), lost: [] };
  } catch (error) {
    const code = error instanceof DbctlError ? error.code : undefined;
    if (copy === undefined || (code !== "repository-unknown" && code !== "repository-damaged"))
      throw error;
    const { repository } = copy;
    const store = await openStore(url, { caps, signal });
    const first = await listBackups(store, { signal }).next();
    if (first.value?.repository !== repository.id) throw error;
    const how = code === "repository-unknown" ? "missing" : "flipped";
    const lost = damageAt(repositoryKey, [how, "without it nothing can be opened"]);
    // It may be a later list of recipients that is damaged: the check names that.
    const isOther = String(error).includes("~control/");
    return { store, repository, lost: isOther ? [] : [lost] };
  }
}

/** A key that was named has to open something; without one, as much is checked as can be. */
async function keyOf(
  { repository }: OpenedRepository,
  flags: CheckFlags,
): Promise<Secret | undefined> {
  try {
    return await unlock(repository, flags, flags);
  } catch (error) {
    const isNamed = flags.identity !== undefined || flags.passphraseFile !== undefined;
    // A key service was asked, or there is none: nobody said that there is a key.
    if (isNamed || !(error instanceof DbctlError)) throw error;
    return undefined;
  }
}

/** Heals and checks again, as long as there is something to heal: a lost key hides other damage. */
async function heal(
  { store, repository }: OpenedRepository,
  running: Running & {
    result: RepositoryCheckResult;
    copy: OpenedRepository;
    lost: Finding[];
    healed: Healed[];
  },
): Promise<RepositoryCheckResult> {
  const { copy, confirm, identity, healed, signal } = running;
  if (copy.repository.id !== repository.id || copy.store.url === store.url)
    throw new DbctlError(
      "usage",
      `Cannot heal from ${copy.store.url}: it is no copy of this repository`,
      {
        remedy: "Name a copy that dbctl repo sync has made",
      },
    );
  let { result } = running;
  for (let isChanged = true; isChanged;) {
    isChanged = false;
    const request = { store, copy: copy.store, repository, identity, signal };
    const lost = isHealed(healed) ? [] : running.lost;
    const findings = [...lost, ...result.findings];
    const failed = healed.filter(({ state }) => state === "not-healed");
    for (const one of failed) healed.splice(healed.indexOf(one), 1);
    for await (const one of healRepository({ ...request, findings, isDryRun: !confirm })) {
      healed.push(one);
      isChanged ||= one.state === "healed";
    }
    if (isChanged) result = await runCheck({ store, repository }, running);
  }
  return result;
}

/** repository.json, which no check looks at: it is opened before. */
function isHealed(healed: readonly Healed[]): boolean {
  return healed.some(({ object, state }) => object === repositoryKey && state === "healed");
}

function describeHealed(one: Healed): string {
  if (one.state === "not-healed") return `Not healed: ${one.object}: ${one.why}`;
  const did = one.state === "healed" ? "Healed" : "Can be healed (--confirm)";
  const proof = one.proof === "size only" ? "; without a key, proved by size and form only" : "";
  return `${did}: ${one.object}, ${formatBytes(one.bytes)}${proof}`;
}

async function runCheck(
  { store, repository }: OpenedRepository,
  { depth, partialCopy: isPartialCopy, identity, progress, signal }: Running,
): Promise<RepositoryCheckResult> {
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

function describe(result: RepositoryCheckResult, isHint: boolean): string[] {
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
    ...(damages.length === 0 || !isHint ? [] : [`  → ${healHint}`]),
  ];
}

/** Notes are many and alike: counted, with one example. */
function describeNotes(notes: readonly Finding[]): string[] {
  return [...Map.groupBy(notes, ({ kind }) => kind)].map(
    ([kind, alike]) =>
      `  note: ${alike.length} ${kind}, for example ${alike[0]?.object}: ${alike[0]?.what}`,
  );
}
