import { availableParallelism } from "node:os";
import { InvalidArgumentError, Option } from "commander";

/** Options that several commands share: one place for names, help and checks. */
export const repoOption = new Option("--repo <url>", "the repository, for example file:///backups")
  .makeOptionMandatory()
  .env("DBCTL_REPO");

export const identityOption = new Option(
  "--identity <file>",
  "the age identity that opens the backup; a file only you can read",
)
  .makeOptionMandatory()
  .env("DBCTL_IDENTITY");

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
