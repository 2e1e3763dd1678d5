import { setTimeout as sleep } from "node:timers/promises";
import { createHash } from "node:crypto";
import { DbctlError } from "../../../core/errors.ts";
import type { RestoreOrigin, RestorePlan, Waiting } from "../engine.ts";
import {
  checkHead,
  encodeHead,
  headStep,
  type JournalHead,
  journalName,
  objectOfStep,
  parseHead,
  restoreRuns,
} from "../restore-journal.ts";
import { ask, type Catalog, inSchema, must, openCatalog } from "./catalog.ts";
import { quoteName, quotePlain } from "./quote.ts";
import { type Login, openSession, type Row, type Session } from "./session.ts";
import { baseSettings } from "./setup-session.ts";
import { takeBack } from "./take-back.ts";

/** The journal of a restore, held by a session that keeps other restores out. */
export interface Journal extends AsyncDisposable {
  readonly done: ReadonlySet<string>;
  readonly created: boolean;
  finish(options: Waiting): Promise<void>;
}

const table = quoteName(journalName);
const act = "keep a journal of the restore";
/** How long a server may take to notice that a client was killed. */
const noticingSeconds = 2;
/** How long what is left of a killed restore is waited for after it was told to end. */
const endingMs = 30_000;

/** The statement that makes a load's record a part of its transaction. */
export function recordLoad(step: string): string {
  return `INSERT INTO ${table} (name, done) VALUES (${quotePlain(step)}, 1)`;
}

/** A definition commits by itself: its beginning is recorded, and then its end. */
export function recordBegin(step: string): string {
  return `INSERT INTO ${table} (name, done, session) VALUES (${quotePlain(step)}, 0, CONNECTION_ID())`;
}

export function recordEnd(step: string): string {
  return `UPDATE ${table} SET done = 1, session = NULL WHERE name = ${quotePlain(step)}`;
}

/** Begins a journal in a database that has none. */
export async function createJournal(
  login: Login,
  { signal, ...head }: { origin: RestoreOrigin; created: boolean } & Waiting,
): Promise<Journal> {
  await using stack = new AsyncDisposableStack();
  const { session } = stack.use(await openKeeper(login, signal));
  await session.execute(
    `CREATE TABLE ${table} (
       name VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
       done BOOLEAN NOT NULL, session BIGINT UNSIGNED NULL,
       detail TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
       at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP) ENGINE = InnoDB`,
    { signal, act },
  );
  const values = `${quotePlain(headStep)}, 1, ${quotePlain(encodeHead(head))}`;
  const insert = `INSERT INTO ${table} (name, done, detail) VALUES (${values})`;
  await session.execute(insert, { signal, act });
  return own(login, stack.move(), { done: new Set(), created: head.created });
}

/** Takes over the journal of a restore that was cut short, and takes back what is half done. */
export async function resumeJournal(
  login: Login,
  { plan, signal }: { plan: RestorePlan } & Waiting,
): Promise<Journal> {
  await using stack = new AsyncDisposableStack();
  const { session, catalog } = stack.use(await openKeeper(login, signal));
  const target = catalog.database;
  const { created } = checkHead(await readJournal(catalog), { origin: plan.origin, target });
  const checksOff = "SET SESSION foreign_key_checks = 0";
  await session.execute(checksOff, { signal, act });
  const begun = await session.query(`SELECT name, session FROM ${table} WHERE done = 0`, {
    signal,
    act,
  });
  for (const row of begun) await endLeftover(catalog, row);
  for (const row of begun) {
    const name = must(row, "name");
    const object = objectOfStep(plan, name);
    if (object !== undefined) await takeBack(catalog, object);
    const forget = `DELETE FROM ${table} WHERE name = ${quotePlain(name)} AND done = 0`;
    await session.execute(forget, { signal, act });
  }
  const rows = await session.query(
    `SELECT name FROM ${table} WHERE done = 1 AND name <> ${quotePlain(headStep)}`,
    { signal, act },
  );
  const done = new Set(rows.map((row) => must(row, "name")));
  return own(login, stack.move(), { done, created });
}

/** The head of the journal that is in the database, if there is one. */
export async function readJournal(catalog: Catalog): Promise<JournalHead | undefined> {
  if (!(await hasJournal(catalog))) return undefined;
  const from = `${quoteName(catalog.database)}.${table}`;
  const sql = `SELECT detail FROM ${from} WHERE name = ${quotePlain(headStep)}`;
  const rows = await ask(catalog, sql, "read the journal of a restore");
  return parseHead(rows[0]?.["detail"]);
}

export async function hasJournal(catalog: Catalog): Promise<boolean> {
  const rows = await ask(
    catalog,
    `SELECT 1 FROM information_schema.TABLES WHERE ${inSchema(catalog, "TABLE_SCHEMA")}
     AND TABLE_NAME = ${quotePlain(journalName)}`,
    "look for the journal of a restore",
  );
  return rows.length > 0;
}

interface Keeper extends AsyncDisposable {
  session: Session;
  catalog: Catalog;
}

/** A session that holds the lock of the restore, until it ends, and it ends with its process. */
async function openKeeper(login: Login, signal: AbortSignal): Promise<Keeper> {
  await using stack = new AsyncDisposableStack();
  const session = stack.use(await openSession(login, { signal }));
  await session.execute(baseSettings(session, ""), { signal, act: "set up a session" });
  const catalog = await openCatalog(session, login.target.database, signal);
  const name = createHash("sha256").update(catalog.database).digest("hex").slice(0, 32);
  const lock = `SELECT GET_LOCK('dbctl.${name}', ${noticingSeconds}) AS held`;
  const [row] = await session.query(lock, { signal, act });
  if (row?.["held"] !== "1") throw restoreRuns(catalog.database);
  const owned = stack.move();
  return { session, catalog, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

function own(
  login: Login,
  stack: AsyncDisposableStack,
  { done, created }: Pick<Journal, "done" | "created">,
): Journal {
  return {
    done,
    created,
    finish: async ({ signal }) => {
      // The session that holds the lock was idle for hours, and may have been lost.
      await using session = await openSession(login, { signal });
      await session.execute(`DROP TABLE ${table}`, { signal, act });
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/**
 * A server goes on with a definition whose client was killed. A load ends by itself, since its rows
 * do not come any more. Only a session that is on this database by this account is ended: its number
 * may be another client's by now.
 */
async function endLeftover(catalog: Catalog, row: Row): Promise<void> {
  const { signal, database } = catalog;
  const [session, name] = [must(row, "session"), must(row, "name")];
  const find = `SELECT 1 FROM information_schema.PROCESSLIST WHERE ID = ${Number(session)}
    AND DB = ${quotePlain(database)} AND USER = SUBSTRING_INDEX(USER(), '@', 1)
    AND COMMAND <> 'Sleep'`;
  const end = "end what is left of the restore";
  if ((await ask(catalog, find, end)).length === 0) return;
  await catalog.session.execute(`KILL ${Number(session)}`, { signal, act: end });
  for (let waitedMs = 0; (await ask(catalog, find, end)).length > 0; waitedMs += 50) {
    if (waitedMs > endingMs) throw lingering(database, { session, name });
    await sleep(50, undefined, { signal });
  }
}

function lingering(database: string, { session, name }: Record<"session" | "name", string>) {
  return new DbctlError(
    "busy",
    `Cannot resume the restore into ${database}: session ${session} of the one before still works ` +
      `on ${name}`,
    { remedy: `Wait until session ${session} of the server is gone, then resume`, retryable: true },
  );
}
