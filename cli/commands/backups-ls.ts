import { Command } from "commander";
import { listBackups } from "../../agent/repository/list-backups.ts";
import type { BackupHeader } from "../../agent/repository/manifest.ts";
import { isDeleted, type MarkState, unmarked } from "../../agent/repository/mark-state.ts";
import { readAllMarks } from "../../agent/repository/read-all-marks.ts";
import { DbctlError } from "../../core/errors.ts";
import { type OpenedRepository, openRepositoryUrl } from "../direct/open-repository-url.ts";
import { formatBytes, formatTable } from "../output/format.ts";
import { printResult } from "../output/print-result.ts";
import { reportError } from "../output/report-error.ts";
import { listFleetBackups } from "./fleet-backups.ts";
import { directRepoOption, jsonOption } from "./options.ts";

interface Flags {
  repo?: string;
  deleted: boolean;
  json: boolean;
}

export function backupsLsCommand(signal: AbortSignal): Command {
  return new Command("ls")
    .description("Lists the backups of the fleet, or of a repository, oldest first. Needs no key.")
    .addOption(directRepoOption)
    .option("--deleted", "those that were deleted: with --repo, that can be had back", false)
    .addOption(jsonOption)
    .addHelpText(
      "after",
      "\nExamples:\n  dbctl backups ls --repo file:///backups" +
        "\n  dbctl backups ls --repo file:///backups --deleted",
    )
    .action(async ({ repo, ...flags }: Flags) => {
      if (repo !== undefined) return await list({ ...flags, repo }, signal);
      await listFleetBackups({ ...flags, signal });
    });
}

/** Without the lists of what it needs: those of many large backups would fill the memory. */
type Summarized = Omit<BackupHeader, "packs" | "maps">;

interface Listed {
  header: Summarized;
  marks: MarkState;
}

async function list(flags: Flags & { repo: string }, signal: AbortSignal): Promise<void> {
  const opened = await openRepositoryUrl(flags.repo, { signal });
  const failures: DbctlError[] = [];
  const headers = await readHeaders(opened, { failures, signal });
  const marks = await readMarks(opened, { failures, signal });
  const listed = headers
    .map((header) => ({ header, marks: marks.get(`${header.instance}/${header.id}`) ?? unmarked }))
    .filter((one) => isDeleted(one.marks) === flags.deleted)
    .toSorted((a, b) => (a.header.started < b.header.started ? -1 : 1));
  const what = flags.deleted ? "No deleted backups." : "No backups yet.";
  const none = failures.length === 0 ? [what] : [];
  const lines = listed.length === 0 ? none : tableOf(listed, flags);
  const backups = listed.map((one) => ({ ...summarize(one.header), ...marksOf(one.marks) }));
  const [failure] = failures;
  if (failure === undefined) return await printResult({ backups }, { json: flags.json, lines });
  // One that is damaged must not hide those that can be restored.
  const { code, message, remedy } = failure;
  const error = { code, message, remedy };
  await printResult({ backups, error }, { json: flags.json, lines });
  process.exitCode = await reportError(failure, { json: false });
}

interface Reading {
  failures: DbctlError[];
  signal: AbortSignal;
}

async function readHeaders(
  { store }: OpenedRepository,
  { failures, signal }: Reading,
): Promise<Summarized[]> {
  const headers: Summarized[] = [];
  try {
    for await (const { packs: _packs, maps: _maps, ...header } of listBackups(store, { signal }))
      headers.push(header);
  } catch (error) {
    if (!(error instanceof DbctlError) || signal.aborted) throw error;
    failures.push(error);
  }
  return headers;
}

/** Without them every backup is shown as one that is there. */
async function readMarks(
  { store, repository }: OpenedRepository,
  { failures, signal }: Reading,
): Promise<Map<string, MarkState>> {
  try {
    return await readAllMarks(store, { repository: repository.id, signal });
  } catch (error) {
    if (!(error instanceof DbctlError) || signal.aborted) throw error;
    failures.push(error);
    return new Map();
  }
}

function tableOf(listed: readonly Listed[], { deleted }: Flags): string[] {
  const head = ["BACKUP", "DATABASE", "ENGINE", "STATE", "READ", "NEW", "STORED"];
  const rows = listed.map(({ header: { id, source, state, sizes }, marks }) => [
    id,
    `${source.host}/${source.database}`,
    `${source.engine} ${source.version}`,
    [state, ...(marks.held === undefined ? [] : ["held"]), ...marks.tags].join(", "),
    ...[sizes.read, sizes.new, sizes.stored].map(formatBytes),
    ...(deleted ? [marks.deleted?.by ?? "", undeleteUntil(marks)] : []),
  ]);
  return formatTable([deleted ? [...head, "DELETED BY", "UNDELETE UNTIL"] : head, ...rows]);
}

function undeleteUntil({ deleted, removing }: MarkState): string {
  return removing === undefined ? (deleted?.until.toISOString() ?? "") : "being removed";
}

/** A backup as `--json` shows it everywhere. */
export function summarize(header: Summarized) {
  const { id, state, kind, source, instance, epoch, started, finished, sizes } = header;
  const bytes = { read: sizes.read, stored: sizes.stored, new: sizes.new };
  return { backup: id, state, kind, source, instance, epoch, started, finished, bytes };
}

/** What is said of it, for `--json`. */
export function marksOf({ deleted, held, removing, tags }: MarkState) {
  return {
    ...(deleted === undefined ? {} : { deleted }),
    ...(held === undefined ? {} : { held }),
    ...(removing === undefined ? {} : { removing }),
    ...(tags.length === 0 ? {} : { tags }),
  };
}
