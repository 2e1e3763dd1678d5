import { randomUUID } from "node:crypto";
import { DbctlError } from "../../../core/errors.ts";
import type { Loader, LoadOptions, SchemaObject, TableData, Waiting } from "../engine.ts";
import { versionNumber } from "./handshake.ts";
import { quoteName } from "./quote.ts";
import { recordBegin, recordEnd, recordLoad } from "./restore-journal.ts";
import { RowEncoder } from "./row-encoder.ts";
import { errnoOf } from "./server-error.ts";
import type { Outcome } from "./answers.ts";
import { type Login, openSession, type Row, type Session } from "./session.ts";
import { baseSettings } from "./setup-session.ts";
import { detailsOf } from "./table-details.ts";
import { loadExpression } from "./value-codec.ts";

/**
 * Mode for definitions and data: what does not fit is an error, dates are taken as they were, zero
 * is a value for AUTO_INCREMENT, and an engine that is not there is not replaced by another.
 */
const sqlMode =
  "STRICT_ALL_TABLES,ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION";

/**
 * Warnings of definitions that change nothing: 1287, 1681 deprecated syntax, 1831 duplicate index,
 * 3719, 3778 names of utf8; 139, 1478 options that InnoDB keeps but does not follow. Notes (level "Note") change nothing either.
 */
const harmless = new Set(["139", "1478", "1287", "1681", "1831", "3719", "3778"]);

/** A session that builds objects and loads rows into the target's database. */
export async function openLoader(login: Login, { signal }: Waiting): Promise<Loader> {
  await using stack = new AsyncDisposableStack();
  const session = stack.use(await openSession(login, { signal, localFiles: true }));
  await resetSession(session, signal);
  const owned = stack.move();
  return {
    build: (object, waiting) => build(session, object, waiting),
    load: (table, bytes, waiting) => load(session, table, { bytes, ...waiting }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function resetSession(session: Session, signal: AbortSignal): Promise<void> {
  const { flavour, version } = session.greeting;
  const number = versionNumber(version);
  const more = ["foreign_key_checks = 0", "unique_checks = 1", "max_error_count = 65535"];
  // What the source has is taken as it is, also rows and options that are refused by now.
  if (flavour === "mariadb") more.push("check_constraint_checks = 0", "innodb_strict_mode = 0");
  if (flavour === "mariadb" && number >= 1011) more.push("system_versioning_insert_history = 1");
  const settings = more.map((setting) => `SESSION ${setting}`).join(", ");
  await session.execute(`${baseSettings(session, sqlMode)}, ${settings}`, {
    signal,
    act: "set up a session",
  });
}

async function build(
  session: Session,
  object: SchemaObject,
  { step, signal }: LoadOptions,
): Promise<void> {
  const act = `build ${object.kind} ${object.name}`;
  await resetSession(session, signal);
  if (step !== undefined) await session.execute(recordBegin(step), { signal, act });
  for (const sql of object.statements) {
    if (object.section === "validation") await validate(session, sql, { act, signal });
    else if (object.kind === "event status") await switchEvent(session, sql, { act, signal });
    else await buildStep(session, sql, { act, signal });
  }
  if (step !== undefined) await session.execute(recordEnd(step), { signal, act });
}

async function buildStep(session: Session, sql: string, { act, signal }: Acting): Promise<void> {
  const outcome = await session.execute(sql, { signal, act });
  await refuseWarnings(session, outcome, { act, signal });
}

/**
 * An event whose one time is over meanwhile is dropped by the server as it is created, as it was
 * on the source after it ran (note 1588): there is nothing to switch on then (error 1539).
 */
async function switchEvent(session: Session, sql: string, acting: Acting): Promise<void> {
  try {
    await buildStep(session, sql, acting);
  } catch (reason) {
    if (errnoOf(reason) !== 1539) throw reason;
  }
}

interface Acting extends Waiting {
  act: string;
}

/** A validation is a query for rows that should not be there. */
async function validate(session: Session, sql: string, { act, signal }: Acting): Promise<void> {
  const rows = await session.query(sql, { signal, act });
  if (rows.length === 0) return;
  const samples = rows.map((row) => Object.values(row).join(", ")).join("; ");
  throw new DbctlError(
    "engine-refused",
    `Cannot ${act}: rows refer to keys that do not exist, such as ${samples}`,
    { remedy: "The source has such rows, too: repair them there, then back up again" },
  );
}

async function refuseWarnings(
  session: Session,
  { warnings }: Outcome,
  { act, signal }: Acting,
): Promise<void> {
  if (warnings === 0) return;
  const rows = await session.query("SHOW WARNINGS", { signal, act });
  const harmful = rows.find((warning) => !isHarmless(warning));
  if (harmful === undefined) return;
  throw new DbctlError("engine-refused", `Cannot ${act}: ${harmful["Message"]}`, {
    remedy: `The server only warns (${harmful["Code"]}), but the copy would not be the same`,
  });
}

export function isHarmless({ Level, Code, Message }: Row): boolean {
  if (Level === "Note" || harmless.has(Code ?? "")) return true;
  return Code === "1105" && (Message ?? "").startsWith("Event scheduler is switched off");
}

interface Load extends LoadOptions {
  bytes: AsyncIterable<Uint8Array>;
}

async function load(
  session: Session,
  table: TableData,
  { bytes, step, signal }: Load,
): Promise<number> {
  const act = `load table ${table.name}`;
  await resetSession(session, signal);
  const encoder = new RowEncoder(table.columns.length);
  const file = `dbctl-${randomUUID()}`;
  const body = encodeRows(encoder, bytes);
  await session.execute("START TRANSACTION", { signal, act });
  try {
    if (step !== undefined) await session.execute(recordLoad(step), { signal, act });
    const options = { file, body, signal, act };
    const outcome = await session.loadLocal(loadStatement(table, file), options);
    await refuseLoss(session, outcome, { table, rows: encoder.rows, act, signal });
    await session.execute("COMMIT", { signal, act });
    return outcome.affectedRows;
  } catch (reason) {
    if (session.usable) await session.execute("ROLLBACK", { signal, act });
    throw reason;
  }
}

async function* encodeRows(encoder: RowEncoder, bytes: AsyncIterable<Uint8Array>) {
  for await (const piece of bytes) {
    for (let at = 0; at < piece.length; at += pieceBytes)
      yield encoder.encode(piece.subarray(at, at + pieceBytes));
  }
  encoder.finish();
}

const pieceBytes = 1 << 20;

/** With LOCAL the server only warns of what does not fit, and skips duplicate keys. */
function loadStatement(table: TableData, file: string): string {
  const { codecs } = detailsOf(table);
  const assigned: string[] = [];
  const targets = table.columns.map((column, n) => {
    const codec = codecs[n] ?? { codec: "plain" };
    const expression = loadExpression(codec, `@v${n}`);
    if (expression === undefined) return quoteName(column);
    assigned.push(`${quoteName(column)} = ${expression}`);
    return `@v${n}`;
  });
  const set = assigned.length === 0 ? "" : ` SET ${assigned.join(", ")}`;
  return (
    `LOAD DATA LOCAL INFILE '${file}' INTO TABLE ${quoteName(table.name)} ` +
    String.raw`CHARACTER SET binary FIELDS TERMINATED BY '\t' ENCLOSED BY '' ESCAPED BY '\\' ` +
    String.raw`LINES TERMINATED BY '\n' (${targets.join(", ")})${set}`
  );
}

interface Loaded extends Acting {
  table: TableData;
  rows: number;
}

async function refuseLoss(
  session: Session,
  { affectedRows, warnings, info }: Outcome,
  { table, rows, act, signal }: Loaded,
): Promise<void> {
  if (warnings > 0) {
    const all = await session.query("SHOW WARNINGS", { signal, act });
    const harmful = all.find((warning) => !isErrorValue(warning, table));
    if (harmful !== undefined || all.length === 0)
      throw new DbctlError("engine-refused", `Cannot ${act}: ${harmful?.["Message"] ?? info}`, {
        remedy: "Compare the target's version and settings with the source's",
      });
  }
  const clean = /Deleted: 0 +Skipped: 0/.test(info);
  if (affectedRows === rows && clean) return;
  throw new DbctlError("engine-refused", `Cannot ${act}: ${rows} rows were sent, ${info}`, {
    remedy: "Check that the target table is empty and its keys are those of the backup",
  });
}

/** Says that the error value of an ENUM was stored: it was one in the source, too. */
function isErrorValue({ Code, Message }: Row, table: TableData): boolean {
  const column = /column '([^]*)' at row/.exec(Message ?? "")?.[1] ?? "";
  const codec = detailsOf(table).codecs[table.columns.indexOf(column)];
  return Code === "1265" && codec?.codec === "enum";
}
