import { DbctlError } from "../../../core/errors.ts";
import { PostgresLexer } from "../postgres-lexer.ts";
import { damagedDump, refusedDump } from "../refused-dump.ts";
import type { ScriptEvent } from "../script-lexer.ts";
import { ScriptSurvey } from "../script-survey.ts";
import { itemsOf } from "../sql-dump.ts";
import type { ImportItem, ImportSource, Reading, Refusal, Survey } from "../statement.ts";
import { type ArchiveStep, archiveSteps } from "./archive-steps.ts";
import { BadArchive } from "./bad-archive.ts";
import { checkEntryData, type DataPlaces, readEntryData } from "./entry-data.ts";
import { type ArchiveEntry, type ArchiveFormat, type Toc, utf8 } from "./read-toc.ts";

/** An archive whose table of contents was read, as far as it could be. */
export interface Archive {
  path: string;
  format: ArchiveFormat;
  toc: Toc;
  /** Why the data cannot be read, when they cannot. */
  places: DataPlaces | BadArchive;
  /** Bytes of all its files. */
  bytes: number;
}

/** An archive of pg_dump as something to import: entry by entry, like the script it stands for. */
export function openArchive(archive: Archive): ImportSource {
  refuseLz4(archive);
  return {
    fileBytes: archive.bytes,
    survey: (reading) => survey(archive, reading),
    items: (reading) => readItems(archive, reading),
  };
}

async function survey(archive: Archive, reading: Reading & { deep?: boolean }): Promise<Survey> {
  const { toc, bytes: fileBytes } = archive;
  const { head, entries } = toc;
  const script = new ScriptSurvey("postgres");
  let bytes = 0;
  let place = { line: 1, byte: 0 };
  const events = { ...reading, deep: reading.deep === true, onText: (n: number) => (bytes += n) };
  try {
    for await (const event of readEvents(archive, events)) {
      if (event.kind !== "damage") place = event.place;
      script.note(event);
    }
  } catch (error) {
    if (!(error instanceof BadArchive)) throw error;
    const { kind, message: what } = error;
    script.note({ kind: "damage", damage: { kind, what, place } });
  }
  const told = script.result(place);
  return {
    format: `pg-${archive.format}`,
    compression: head.compression,
    dialect: "postgres",
    ...told,
    hasRows: events.deep,
    // That rows are complete is only known of those that were read.
    damage: told.damage === null || events.deep ? told.damage : { ...told.damage, lastTable: null },
    tool: "pg_dump",
    toolVersion: head.toolVersion,
    serverVersion: head.serverVersion,
    facts: { ...told.facts, database: head.database },
    // Made for pg_restore --create, which the import does in its own way.
    created: entries.filter(({ kind }) => kind === "DATABASE").map(createOf),
    refusals: [...refusalsOf(entries), ...told.refusals],
    fileBytes,
    bytes,
    lines: entries.length,
  };
}

function createOf({ definition }: ArchiveEntry): string {
  return utf8(definition).trim().replace(/;$/, "");
}

async function* readItems(archive: Archive, reading: Reading): AsyncGenerator<ImportItem> {
  const { path, toc } = archive;
  const [refused] = refusalsOf(toc.entries);
  if (refused !== undefined) throw refusedDump(path, refused);
  for (const { id, sql, leftOut } of archiveSteps(toc))
    if (leftOut !== undefined)
      yield {
        kind: "statement",
        sql: Buffer.from(sql, "latin1"),
        place: { entry: id, line: 1, byte: 0 },
        effect: { kind: "left-out", why: leftOut },
      };
  const events = tellDamage(
    archive,
    readEvents(archive, { ...reading, deep: true, onText: () => {} }),
  );
  yield* itemsOf(events, { path, dialect: "postgres" });
}

/** Damage of the archive becomes an error for people wherever it is met. */
async function* tellDamage(
  { path }: Archive,
  events: AsyncGenerator<ScriptEvent>,
): AsyncGenerator<ScriptEvent> {
  try {
    yield* events;
  } catch (error) {
    if (!(error instanceof BadArchive)) throw error;
    throw damagedDump(path, `byte ${error.byte}: ${error.message}`);
  }
}

/** What would be lost without a word. */
function refusalsOf(entries: readonly ArchiveEntry[]): Refusal[] {
  const refused: Refusal[] = [];
  const refuse = ({ id: entry }: ArchiveEntry, what: string, remedy: string) =>
    refused.push({ what, place: { entry, line: 1, byte: 0 }, remedy });
  const blob = entries.find(({ kind }) => kind.startsWith("BLOB"));
  if (blob !== undefined)
    refuse(
      blob,
      "large objects, which are not imported yet",
      "Use pg_dump --no-blobs, or pg_restore",
    );
  for (const entry of entries) {
    const { kind, name, definition, data } = entry;
    if (kind === "STDSTRINGS" && !/=\s*'?on/i.test(definition))
      refuse(entry, "texts under standard_conforming_strings off", "Set it on, then dump again");
    else if (!["TABLE DATA", "BLOBS"].includes(kind) && data.kind !== "no-data")
      refuse(entry, `data of ${kind} ${utf8(name)}, an unknown kind`, "Use a newer dbctl");
  }
  return refused;
}

interface EventReading extends Reading {
  /** Without it, rows are not looked at, only where they are. */
  deep: boolean;
  /** Told how many bytes of text were read. */
  onText: (bytes: number) => void;
}

/** Each entry is a script of its own: one that is damaged cannot swallow the next. */
async function* readEvents(archive: Archive, reading: EventReading): AsyncGenerator<ScriptEvent> {
  for (const step of archiveSteps(archive.toc)) {
    if (step.leftOut !== undefined) continue;
    for await (const event of readStep(archive, step, reading)) yield atEntry(event, step);
  }
  if (archive.toc.damage !== null) throw archive.toc.damage;
}

async function* readStep(
  { places }: Archive,
  { sql, data }: ArchiveStep,
  { signal, deep, onRead = () => {}, onText }: EventReading,
): AsyncGenerator<ScriptEvent> {
  const lexer = new PostgresLexer();
  onText(sql.length);
  yield* lexer.push(Buffer.from(sql, "latin1"));
  if (data !== undefined) {
    if (places instanceof BadArchive) throw places;
    if (!deep) {
      await checkEntryData(places, data);
      return;
    }
    for await (const piece of readEntryData(places, data, { signal, onRead })) {
      onText(piece.length);
      yield* lexer.push(piece);
    }
  }
  yield* lexer.finish();
}

/** The number of an entry is what pg_restore --list shows, too. */
function atEntry(event: ScriptEvent, { id: entry }: ArchiveStep): ScriptEvent {
  if (event.kind !== "damage") return { ...event, place: { ...event.place, entry } };
  const { damage } = event;
  return { kind: "damage", damage: { ...damage, place: { ...damage.place, entry } } };
}

function refuseLz4({ path, toc }: Archive): void {
  if (toc.head.compression !== "lz4") return;
  throw new DbctlError("dump-refused", `Cannot import ${path}: it is compressed with lz4`, {
    remedy: "Make it again with --compress=zstd or gzip, or have pg_restore -f make SQL of it",
  });
}
