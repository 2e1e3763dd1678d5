import { Command } from "commander";
import { type CheckDepth, describeDepth } from "../../agent/repository/check-depth.ts";
import { selectBackups } from "../../agent/verify/select-backups.ts";
import { damaged } from "../../agent/verify/refuse-damage.ts";
import { verifyBackups } from "../../agent/verify/verify-backups.ts";
import { collectVerifyResult, type VerifyResult } from "../../agent/verify/verify-result.ts";
import { DbctlError, exitCodes } from "../../core/errors.ts";
import type { VerifyDepth } from "../../core/verify-depth.ts";
import { type KeyFlags, unlock } from "../direct/held-keys.ts";
import { openRepositoryUrl } from "../direct/open-repository-url.ts";
import { describeDamages } from "../output/describe-damages.ts";
import { formatBytes } from "../output/format.ts";
import { printResult } from "../output/print-result.ts";
import { Progress } from "../output/progress.ts";
import { depthOption, seedOption, withSeed } from "./depth-option.ts";
import { type FleetVerifyFlags, verifyFleet } from "./fleet-verify.ts";
import {
  directRepoOption,
  identityOption,
  jsonOption,
  passphraseOption,
  waitOption,
} from "./options.ts";
import {
  capsOf,
  describeLimit,
  downloadLimitOption,
  refuseTransferOptions,
  type TransferFlags,
  uploadLimitOption,
} from "./transfer-options.ts";

interface VerifyFlags extends KeyFlags, TransferFlags {
  repo: string;
  instance?: string;
  all: boolean;
  depth: VerifyDepth;
  seed?: string;
  json: boolean;
  signal: AbortSignal;
}

export function verifyCommand(signal: AbortSignal): Command {
  return new Command("verify")
    .description(
      "Reads, opens and hashes everything that backups refer to, and names what is damaged.",
    )
    .argument("[backup]", "an id or host/db:latest; of a repository also latest, host/db, or host/")
    .addOption(directRepoOption)
    .option("--instance <id>", "with --repo: all backups of a server")
    .option("--all", "with --repo: all backups of the repository", false)
    .addOption(depthOption("full"))
    .addOption(seedOption)
    .addOption(identityOption)
    .addOption(passphraseOption)
    .addOption(uploadLimitOption)
    .addOption(downloadLimitOption)
    .option("--host <host>", "without --repo: whose agent verifies (the backup's own host)")
    .addOption(waitOption)
    .addOption(jsonOption)
    .addHelpText(
      "after",
      "\nWithout --repo the agent of a host verifies a backup of the fleet's catalog." +
        "\nThe catalog keeps the result. A host that may only write needs --host of one that reads." +
        "\nA pack that several backups share is read once. quick needs no identity." +
        "\n\nExamples:\n  dbctl verify latest --repo file:///backups --identity identity.txt" +
        "\n  dbctl verify --all --repo file:///backups --identity identity.txt --depth sample=5%",
    )
    .action(
      async (
        name: string | undefined,
        flags: Omit<VerifyFlags, "signal" | "repo"> & Fleet,
        command: Command,
      ) => {
        const { repo, ...rest } = flags;
        if (repo !== undefined) return await verify(name, { ...rest, repo, signal });
        refuseTransferOptions(command);
        await verifyFleet(requireFleet(name, flags), { ...rest, signal });
      },
    );
}

type Fleet = Omit<FleetVerifyFlags, "signal"> & { repo?: string };

function requireFleet(
  name: string | undefined,
  { instance, all }: Omit<VerifyFlags, "signal" | "repo">,
): string {
  if (name !== undefined && instance === undefined && !all) return name;
  throw new DbctlError("usage", "Cannot verify: without --repo, one backup is verified", {
    remedy: "Add --repo file:///…, or name a backup of the fleet's catalog by its id",
  });
}

async function verify(name: string | undefined, flags: VerifyFlags): Promise<void> {
  const { repo, signal, seed, json } = flags;
  const depth = withSeed(flags.depth, seed);
  const caps = capsOf(flags);
  const { store, repository } = await openRepositoryUrl(repo, { caps, signal });
  const keys =
    depth.kind === "quick" ? undefined : { identity: await unlock(repository, flags, { signal }) };
  const headers = await selectBackups(store, { name, ...flags }, { signal });
  using progress = new Progress();
  const [only] = headers;
  const what = headers.length === 1 && only !== undefined ? only.id : `${headers.length} backups`;
  const limit = describeLimit("reading", flags.downloadLimit);
  progress.begin(
    `verifying ${what} (${describeDepth(depth)})${limit}`,
    expectedBytes(headers, depth),
  );
  const request = { store, repository, headers, keys, depth, signal };
  const result = await collectVerifyResult(request, verifyBackups(request), {
    at: new Date(),
    onProgress: (bytes) => progress.add(bytes),
  });
  progress[Symbol.dispose]();
  await print(result, { depth, json, what: headers.length === 1 ? `backup ${what}` : what });
}

/** What is decoded is known for one backup only: several share what is read once. */
function expectedBytes(
  headers: readonly { sizes: { read: number } }[],
  depth: CheckDepth,
): number | undefined {
  const [only, ...others] = headers;
  return depth.kind === "full" && others.length === 0 ? only?.sizes.read : undefined;
}

/** A damaged backup is a result as well: all of it is printed, then the exit code tells. */
async function print(
  result: VerifyResult,
  { depth, what, json }: { depth: CheckDepth; what: string; json: boolean },
): Promise<void> {
  const { backups, damages, checkedBytes, checkedChunks } = result;
  const ok = damages.length === 0;
  const [only, ...others] = backups;
  const hit = backups.filter((backup) => !backup.ok);
  const worse = others.length > 0 ? `${hit.length} of ${what}` : what;
  const error = ok ? {} : { error: describe(damaged(worse, damages)) };
  const one = others.length > 0 || only === undefined ? {} : { backup: only.id, state: only.state };
  const seed = depth.kind === "sample" ? { seed: depth.seed } : {};
  const figures = { bytes: checkedBytes, chunks: checkedChunks };
  const document = { ...one, ok, ...result, ...seed, ...figures, ...error };
  const read = `${checkedChunks} chunks, ${formatBytes(checkedBytes)} read and hashed`;
  const isAre = others.length > 0 ? "are" : "is";
  const lines = ok
    ? [
        `${capital(what)} ${isAre} ${depth.kind === "quick" ? "there" : "whole"}: ${summary(depth, read)}.`,
      ]
    : [
        `${capital(worse)} ${isAre} damaged (${summary(depth, read)}):`,
        ...describeDamages(damages),
        ...(others.length > 0 ? hit.map(describeBackup) : []),
        `  → ${damaged(worse, damages).remedy}`,
      ];
  await printResult(document, { json, lines });
  if (!ok) process.exitCode = exitCodes["repository-damaged"];
}

function summary(depth: CheckDepth, read: string): string {
  switch (depth.kind) {
    case "quick":
      return "every object has its size; nothing was read";
    case "index":
      return "every object has its size, maps and pack indexes fit; no chunk was read";
    case "sample":
      return `${read}, a sample of ${depth.percent} % (--seed ${depth.seed})`;
    case "full":
      return read;
  }
}

function describeBackup({ id, database, restorable, damagedTables }: VerifyResult["backups"][0]) {
  const tables = damagedTables.length === 0 ? "" : `; damaged: ${damagedTables.join(", ")}`;
  return `  backup ${id} of ${database}: restorable: ${restorable}${tables}`;
}

function capital(text: string): string {
  return text.replace(/^[a-z]/, (letter) => letter.toUpperCase());
}

function describe({ code, message, remedy }: ReturnType<typeof damaged>) {
  return { code, message, remedy };
}
