import { availableParallelism } from "node:os";
import { InvalidArgumentError, Option } from "commander";
import { DbctlError } from "../../core/errors.ts";

// Options that several commands share: one place for names, help and checks.

/** For commands that work on the fleet when no repository is named. */
export const directRepoOption = new Option(
  "--repo <url>",
  "the repository, for example file:///backups; needed with a database URL",
).env("DBCTL_REPO");

/** The repository of direct mode, which is not read from any policy. */
export function requireRepo(repo: string | undefined): string {
  if (repo !== undefined) return repo;
  throw new DbctlError("usage", "Cannot work on a database URL: --repo is missing", {
    remedy: "Add --repo file:///…, or name a database of the fleet as host/database",
  });
}

/** A database URL asks for direct mode; names are the fleet's. */
export function isUrl(target: string): boolean {
  return target.includes("://");
}

export const selectorOption = new Option(
  "-l, --selector <labels>",
  "databases of the fleet with these labels, for example env=prod,engine=postgres",
);

export const limitOption = new Option("--limit <n>", "at most so many")
  .default(100)
  .argParser(parseLimit);

export const waitOption = new Option("--wait", "wait until the jobs have ended").default(false);

export const identityOption = new Option(
  "--identity <file>",
  "the age identity that opens the backup; a file only you can read",
).env("DBCTL_IDENTITY");

export const identitiesOption = new Option(
  "--identity <file>",
  "an age identity; a file only you can read; may be given several times",
)
  .env("DBCTL_IDENTITY")
  .argParser((file: string, before: string[] | undefined) => [...(before ?? []), file]);

export const passphraseOption = new Option(
  "--passphrase-file <file>",
  "the passphrase of a recipient, instead of an identity; a file only you can read",
).env("DBCTL_PASSPHRASE_FILE");

export const deletedOption = new Option(
  "--deleted",
  "also a backup that was deleted and has not been removed yet",
).default(false);

export const jsonOption = new Option(
  "--json",
  "one JSON document on stdout, nothing else there",
).default(false);

/** More than this gained nothing where it was measured (docs/performance.md). */
const mostLanes = 4;
const limit = 64;

export const jobsOption = new Option("--jobs <n>", "connections at once, one thread each")
  .default(Math.min(availableParallelism(), mostLanes), "cores, at most 4")
  .argParser(parseJobs);

function parseJobs(text: string): number {
  const jobs = Number(text);
  if (!Number.isInteger(jobs) || jobs < 1 || jobs > limit)
    throw new InvalidArgumentError(`expected a whole number from 1 to ${limit}`);
  return jobs;
}

const mostRows = 1000;

function parseLimit(text: string): number {
  const rows = Number(text);
  if (!Number.isInteger(rows) || rows < 1 || rows > mostRows)
    throw new InvalidArgumentError(`expected a whole number from 1 to ${mostRows}`);
  return rows;
}
