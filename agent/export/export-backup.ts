import { join } from "node:path";
import { type BackupBody, parseBackupBody, type TableEntry } from "../backup/backup-body.ts";
import { type SchemaObject, sections } from "../engines/engine.ts";
import type { Exporter, RowForm } from "../engines/export/exporter.ts";
import { checkBackup } from "../repository/check-backup.ts";
import type { OpenBackup } from "../repository/open-backup.ts";
import { nameOf } from "../restore/load-tables.ts";
import { refuseDamage } from "../verify/refuse-damage.ts";
import { chooseTables, type Selection } from "./choose-tables.ts";
import { NewFile, NewFolder } from "./new-file.ts";
import { nameFiles } from "./table-files.ts";
import { writeRows } from "./write-rows.ts";

export interface ExportOptions extends Selection {
  /** Whether statements are written that name roles, which the target may not have. */
  owners: boolean;
  privileges: boolean;
  form: RowForm;
  /** `sql`: the file; else the folder. Nothing may be there. */
  to: string;
  signal: AbortSignal;
}

export type ExportEvent =
  | { kind: "checked"; tables: number; bytes: number }
  | { kind: "table-begun"; table: string }
  | { kind: "written"; bytes: number }
  | { kind: "finished"; result: ExportResult };

export interface ExportResult {
  tables: ExportedTable[];
  /** Tables whose rows were not asked for. */
  leftOut: string[];
  /** Bytes of the files. */
  bytes: number;
}

export interface ExportedTable {
  name: string;
  rows: number;
  /** Of the folder; none in a script. */
  file?: string;
}

interface Work {
  backup: OpenBackup;
  exporter: Exporter;
  body: BackupBody;
  chosen: TableEntry[];
  options: ExportOptions;
}

/**
 * Writes a backup as files for people and programs: one script for the product's own client, or a
 * folder with a file for each table beside the schema. They are there only when they are whole and
 * every table's rows were proved to be the backup's.
 */
export async function* exportBackup(
  { backup, exporterOf }: { backup: OpenBackup; exporterOf: (body: BackupBody) => Exporter },
  options: ExportOptions,
): AsyncGenerator<ExportEvent> {
  const body = parseBackupBody(backup);
  const chosen = chooseTables(body.tables, options);
  const exporter = exporterOf(body);
  // What cannot be written is found before anything is.
  for (const { data } of chosen) exporter.openRows(data, options.form);
  await refuseDamage(backup, checkBackup(backup, { level: "index", signal: options.signal }));
  const bytes = chosen.reduce((sum, { sums }) => sum + Number(sums.bytes), 0);
  yield { kind: "checked", tables: chosen.length, bytes };
  const work = { backup, exporter, body, chosen, options };
  if (options.form === "sql") yield* writeScript(work);
  else yield* writeFolder(work);
}

async function* writeScript(work: Work): AsyncGenerator<ExportEvent> {
  const { exporter, body, chosen, options } = work;
  await using file = await NewFile.create(options.to);
  await file.write(exporter.scriptHead());
  await file.write(objectsOf(work, (section) => section === "pre-data"));
  for (const entry of chosen) yield* writeTable(work, entry, file);
  await file.write(objectsOf(work, (section) => section !== "pre-data"));
  await file.write(exporter.scriptEnd());
  await file.commit();
  const tables = chosen.map((entry) => ({ name: nameOf(entry), rows: Number(entry.sums.rows) }));
  const leftOut = leaveOut(body, chosen);
  yield { kind: "finished", result: { tables, leftOut, bytes: file.bytes } };
}

async function* writeFolder(work: Work): AsyncGenerator<ExportEvent> {
  const { exporter, body, chosen, options } = work;
  await using folder = await NewFolder.create(options.to);
  const schema = [exporter.scriptHead(), objectsOf(work, () => true), exporter.scriptEnd()];
  let bytes = await writeFile(folder, "schema.sql", Buffer.concat(schema));
  const tables: ExportedTable[] = [];
  const files = nameFiles(chosen, options.form);
  for (const [entry, name] of files) {
    await using file = await NewFile.create(join(folder.part, name));
    yield* writeTable(work, entry, file);
    await file.commit();
    bytes += file.bytes;
    tables.push({ name: nameOf(entry), file: name, rows: Number(entry.sums.rows) });
  }
  const result = { tables, leftOut: leaveOut(body, chosen), bytes };
  await writeFile(folder, "export.json", Buffer.from(describe(work, result)));
  await folder.commit();
  yield { kind: "finished", result };
}

async function* writeTable(
  { backup, exporter, options }: Work,
  entry: TableEntry,
  file: NewFile,
): AsyncGenerator<ExportEvent> {
  yield { kind: "table-begun", table: nameOf(entry) };
  const writer = exporter.openRows(entry.data, options.form);
  const { signal } = options;
  for await (const bytes of writeRows({ backup, entry, writer, file, signal }))
    yield { kind: "written", bytes };
}

/**
 * Statements in the order of their sections. Where the rows of a table were left out, no foreign
 * key can be proved: they stay as they are before their validation.
 */
function objectsOf(
  { exporter, body, chosen, options }: Work,
  wanted: (section: SchemaObject["section"]) => boolean,
): Buffer {
  const isWhole = chosen.length === body.tables.length;
  const pieces = sections
    .filter((section) => section !== "data")
    .filter((section) => wanted(section) && (isWhole || section !== "validation"))
    .flatMap((section) => body.list.objects.filter((object) => object.section === section))
    .filter(({ kind }) => options.owners || !kind.startsWith("owner of "))
    .filter(({ kind }) => options.privileges || !privileges.has(kind))
    .map((object) => exporter.scriptOf(object));
  return Buffer.concat(pieces);
}

const privileges = new Set(["grant", "default privileges"]);

async function writeFile(folder: NewFolder, name: string, bytes: Buffer): Promise<number> {
  await using file = await NewFile.create(join(folder.part, name));
  await file.write(bytes);
  await file.commit();
  return bytes.length;
}

/** What is in the folder, for programs. */
function describe({ backup, body, options }: Work, { tables, leftOut }: ExportResult): string {
  const { id, state, source } = backup.header;
  const columns = new Map(body.tables.map((entry) => [nameOf(entry), entry.data.columns]));
  const listed = tables.map((table) => ({ ...table, columns: columns.get(table.name) ?? [] }));
  const { form } = options;
  const document = { backup: id, state, source, format: form, tables: listed, leftOut };
  return `${JSON.stringify(document, undefined, 2)}\n`;
}

function leaveOut(body: BackupBody, chosen: readonly TableEntry[]): string[] {
  const there = new Set(chosen);
  return body.tables.filter((entry) => !there.has(entry)).map(nameOf);
}
