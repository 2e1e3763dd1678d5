import { Command, InvalidArgumentError, Option } from "commander";
import { defaultWindowSeconds, deleteBackups } from "../../agent/marks/delete-backup.ts";
import { holdBackup, releaseBackup } from "../../agent/marks/hold-backup.ts";
import { type MarkOptions, tagBackup, undeleteBackup } from "../../agent/marks/mark-backup.ts";
import { findBackup } from "../../agent/repository/list-backups.ts";
import type { BackupHeader } from "../../agent/repository/manifest.ts";
import { tagPattern } from "../../agent/repository/mark.ts";
import { formatDuration, parseDuration } from "../../core/duration.ts";
import { openRepositoryUrl } from "../direct/open-repository-url.ts";
import { operatorName } from "../direct/operator.ts";
import { printResult } from "../output/print-result.ts";
import { marksOf } from "./backups-ls.ts";
import { jsonOption } from "./options.ts";

const repoOption = new Option("--repo <url>", "the repository, for example file:///backups")
  .env("DBCTL_REPO")
  .makeOptionMandatory();
const reasonOption = new Option("--reason <text>", "why, for whoever asks later")
  .default("", "none")
  .argParser(parseReason);

/** Deleting and holding backups of a repository. Needs no key. */
export function markCommands(signal: AbortSignal): Command[] {
  return [
    rmCommand(signal),
    simpleCommand(signal, { verb: "undelete", what: "Takes a deletion back.", act: undelete }),
    simpleCommand(signal, { verb: "hold", what: holdHelp, act: hold }),
    simpleCommand(signal, { verb: "release", what: "Ends a hold.", act: release }),
    tagCommand(signal),
  ];
}

interface Flags {
  repo: string;
  reason: string;
  json: boolean;
}

const minWindow = 24 * 3600;

export const windowOption = new Option(
  "--undelete-window <time>",
  "for how long it can be had back, at least 1d",
)
  .default(defaultWindowSeconds, formatDuration(defaultWindowSeconds))
  .argParser(parseWindow);

function parseWindow(text: string): number {
  const seconds = readDuration(text);
  if (seconds >= minWindow) return seconds;
  throw new InvalidArgumentError("it is shorter than 1d: add --no-undelete to have none at all");
}

function readDuration(text: string): number {
  try {
    return parseDuration(text);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}

function parseReason(text: string): string {
  if (/^[^\0]{0,1024}$/u.test(text)) return text;
  throw new InvalidArgumentError("it has more than 1024 characters");
}

interface RmFlags extends Flags {
  undeleteWindow: number;
  /** False with `--no-undelete`. */
  undelete: boolean;
  lastOne: boolean;
  confirm: boolean;
}

function rmCommand(signal: AbortSignal): Command {
  return new Command("rm")
    .description(
      "Marks backups as deleted; a later prune removes them. Says first what it would do.",
    )
    .argument("<backup...>", "ids")
    .addOption(repoOption)
    .addOption(windowOption)
    .option("--no-undelete", "the next prune may remove it")
    .option("--last-one", "delete even the last good backup of its database", false)
    .addOption(reasonOption)
    .option("--confirm", "do it", false)
    .addOption(jsonOption)
    .addHelpText(
      "after",
      "\nExample:\n  dbctl backups rm 20261120T101530Z-k3v9x0ap --repo file:///backups --confirm",
    )
    .action(async (names: string[], flags: RmFlags) => await remove(names, { ...flags, signal }));
}

async function remove(names: string[], flags: RmFlags & { signal: AbortSignal }): Promise<void> {
  const { confirm, lastOne, json, reason, signal } = flags;
  const { store } = await openRepositoryUrl(flags.repo, { signal });
  const window = flags.undelete ? flags.undeleteWindow : 0;
  const headers: BackupHeader[] = [];
  for (const name of names) headers.push(await findAny(name, { store, signal }));
  const by = operatorName();
  const options = { store, by, reason, now: new Date(), window, lastOne, confirm, signal };
  const deleted = await deleteBackups(headers, options);
  const backups = deleted.map(({ header, ...rest }) => ({ ...nameOf(header), ...rest }));
  const lines = backups.map(({ backup, database, until, changed }) => {
    const end = window === 0 ? "and the next prune may remove it" : `until ${until.toISOString()}`;
    if (!changed)
      return `${backup} of ${database} is deleted already, until ${until.toISOString()}.`;
    if (!confirm) return `${backup} of ${database} would be deleted, ${end}.`;
    return `${backup} of ${database} is deleted, ${end}.`;
  });
  if (!confirm) lines.push("Nothing was changed: add --confirm.");
  else
    lines.push(
      "It can be had back with dbctl backups undelete, until dbctl repo prune removes it.",
    );
  await printResult({ confirmed: confirm, backups }, { json, lines });
}

interface Simple {
  verb: string;
  what: string;
  act: (header: BackupHeader, options: MarkOptions) => Promise<Outcome>;
}

interface Outcome {
  document: object;
  line: string;
}

const holdHelp =
  "Holds a backup: nobody deletes it and no prune removes it. Where the store has legal holds, all " +
  "its objects get one.";

function simpleCommand(signal: AbortSignal, { verb, what, act }: Simple): Command {
  return new Command(verb)
    .description(what)
    .argument("<backup>", "an id, latest, or host/db:latest")
    .addOption(repoOption)
    .addOption(reasonOption)
    .addOption(jsonOption)
    .addHelpText(
      "after",
      `\nExample:\n  dbctl backups ${verb} 20261120T101530Z-k3v9x0ap --repo file:///backups`,
    )
    .action(async (name: string, flags: Flags) => await markOne(name, { ...flags, signal }, act));
}

async function markOne(
  name: string,
  { repo, reason, json, signal }: Flags & { signal: AbortSignal },
  act: Simple["act"],
): Promise<void> {
  const { store } = await openRepositoryUrl(repo, { signal });
  const header = await findAny(name, { store, signal });
  const options = { store, by: operatorName(), reason, now: new Date(), signal };
  const { document, line } = await act(header, options);
  await printResult({ ...nameOf(header), ...document }, { json, lines: [line] });
}

async function undelete(header: BackupHeader, options: MarkOptions): Promise<Outcome> {
  const { state, changed } = await undeleteBackup(header, options);
  const line = changed ? `${header.id} is no longer deleted.` : `${header.id} was not deleted.`;
  return { document: { changed, ...marksOf(state) }, line };
}

async function hold(header: BackupHeader, options: MarkOptions): Promise<Outcome> {
  const { state, changed, objects } = await holdBackup(header, options);
  const stores = objects > 0 ? `; ${objects} objects are under legal hold` : "";
  const line = `${header.id} is held${changed ? "" : " already"}${stores}.`;
  return { document: { changed, objects, ...marksOf(state) }, line };
}

async function release(header: BackupHeader, options: MarkOptions): Promise<Outcome> {
  const { state, changed, objects } = await releaseBackup(header, options);
  const stores = objects > 0 ? `; ${objects} objects are free` : "";
  const line = `${header.id} ${changed ? "is released" : "was not held"}${stores}.`;
  return { document: { changed, objects, ...marksOf(state) }, line };
}

function tagCommand(signal: AbortSignal): Command {
  return new Command("tag")
    .description("Gives a backup a tag, which a retention rule may keep (--keep-tag).")
    .argument("<backup>", "an id, latest, or host/db:latest")
    .argument("<tag>", "letters, digits and .-_=~+", parseTag)
    .addOption(repoOption)
    .option("--remove", "take the tag away", false)
    .addOption(reasonOption)
    .addOption(jsonOption)
    .addHelpText(
      "after",
      "\nExample:\n  dbctl backups tag latest before-2.0 --repo file:///backups",
    )
    .action(async (name: string, tag: string, flags: Flags & { remove: boolean }) => {
      await markOne(name, { ...flags, signal }, async (header, options) => {
        const { state, changed } = await tagBackup(header, { ...options, tag, ...flags });
        const line = `Tags of ${header.id}: ${state.tags.join(", ") || "none"}.`;
        return { document: { changed, ...marksOf(state) }, line };
      });
    });
}

function parseTag(text: string): string {
  if (tagPattern.test(text)) return text;
  throw new InvalidArgumentError("expected up to 64 letters, digits and .-_=~+");
}

/** Also one that is deleted, but that is never the latest. */
async function findAny(
  name: string,
  { store, signal }: Pick<MarkOptions, "store" | "signal">,
): Promise<BackupHeader> {
  return await findBackup(store, name, { deleted: !name.endsWith("latest"), signal });
}

function nameOf({ id, source }: BackupHeader) {
  return { backup: id, database: `${source.host}/${source.database}` };
}
