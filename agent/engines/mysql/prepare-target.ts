import { DbctlError } from "../../../core/errors.ts";
import type { PreparedTarget, PrepareOptions, RestorePlan, Waiting } from "../engine.ts";
import { unfinishedRestore } from "../restore-journal.ts";
import { ask, type Catalog, inSchema, openCatalog } from "./catalog.ts";
import { versionNumber } from "./handshake.ts";
import { quoteName } from "./quote.ts";
import { checkDefinerRights } from "./rights.ts";
import { missingRequirements } from "./requirements.ts";
import {
  createJournal,
  hasJournal,
  type Journal,
  readJournal,
  resumeJournal,
} from "./restore-journal.ts";
import { type Login, openSession, type Session } from "./session.ts";
import { refuseUntrustedFunctions } from "./untrusted-functions.ts";
import { baseSettings } from "./setup-session.ts";

/** Checks what can be checked before data moves; creates the database when asked to. */
export async function prepareTarget(
  login: Login,
  plan: RestorePlan,
  { create, resume = false, signal }: PrepareOptions,
): Promise<PreparedTarget> {
  await using session = await openSession(login, { signal, database: null });
  await session.execute(baseSettings(session, ""), { signal, act: "set up a session" });
  const catalog = await openCatalog(session, login.target.database, signal);
  const { database } = catalog;
  checkServer(session, plan);
  if (plan.tables.length > 0) await checkLocalFiles(catalog);
  await checkDatabase(catalog, { create, resume });
  const missing = await missingRequirements(catalog, plan.list.requires);
  if (missing.length > 0) throw lacking(database, missing);
  const definers = plan.list.requires.filter(({ kind }) => kind === "account");
  await checkDefinerRights(
    catalog,
    definers.map(({ name }) => name),
  );
  await refuseUntrustedFunctions(catalog, plan.list.objects);
  if (resume) {
    const journal = await resumeJournal(login, { plan, signal });
    return prepared(login, { journal, created: journal.created });
  }
  if (create) {
    const sql = `CREATE DATABASE ${quoteName(database)}`;
    await session.execute(sql, { signal, act: `create database ${database}` });
  }
  return prepared(login, {
    journal: await beginJournal(login, plan, { create, signal }),
    created: create,
  });
}

/** What a database that was created in vain may take to go. */
const undoMs = 60_000;

async function beginJournal(
  login: Login,
  { origin }: RestorePlan,
  { create, signal }: { create: boolean } & Waiting,
): Promise<Journal | undefined> {
  try {
    if (origin === undefined) return undefined;
    return await createJournal(login, { origin, created: create, signal });
  } catch (error) {
    if (create) await dropDatabase(login, { signal: AbortSignal.timeout(undoMs) });
    throw error;
  }
}

function prepared(
  login: Login,
  { journal, created }: { journal: Journal | undefined; created: boolean },
): PreparedTarget {
  return {
    done: journal?.done ?? new Set(),
    created,
    undo: async (options) => {
      await journal?.[Symbol.asyncDispose]();
      if (created) await dropDatabase(login, options);
    },
    finish: async (options) => await journal?.finish(options),
    [Symbol.asyncDispose]: async () => await journal?.[Symbol.asyncDispose](),
  };
}

function checkServer({ greeting }: Session, { facts }: RestorePlan): void {
  const { flavour, version } = greeting;
  const isOlder = versionNumber(version) < versionNumber(facts.version);
  if (flavour === facts.flavour && !isOlder) return;
  throw new DbctlError(
    "engine-unsupported",
    `Cannot restore a backup of ${facts.flavour} ${facts.version} into ${flavour} ${version}`,
    { remedy: `Use a server of ${facts.flavour} ${facts.version} or newer` },
  );
}

async function checkLocalFiles(catalog: Catalog): Promise<void> {
  const sql = "SELECT @@GLOBAL.local_infile AS allowed";
  const [row] = await ask(catalog, sql, "read the server's settings");
  if (row?.["allowed"] === "1") return;
  throw new DbctlError("engine-denied", "Cannot load data: the server has local_infile off", {
    remedy: "Run SET GLOBAL local_infile = ON on the target server, and OFF after the restore",
  });
}

async function checkDatabase(
  catalog: Catalog,
  { create, resume }: { create: boolean; resume: boolean },
): Promise<void> {
  const { database } = catalog;
  const sql = `SELECT 1 FROM information_schema.SCHEMATA WHERE ${inSchema(catalog, "SCHEMA_NAME")}`;
  const exists = (await ask(catalog, sql, "look for the database")).length > 0;
  if (create && exists && !resume)
    throw new DbctlError("target-exists", `Cannot create database ${database}: it exists`, {
      remedy: "Name another database, or restore into this one when it is empty",
    });
  if (create && !resume) return;
  if (!exists)
    throw new DbctlError("database-unknown", `Cannot restore into ${database}: it does not exist`, {
      remedy: "Let it be created (--create), or check the name",
    });
  if (resume) return;
  if (await hasJournal(catalog)) throw unfinishedRestore(database, await readJournal(catalog));
  const found = await findContent(catalog);
  if (found.length === 0) return;
  const names = found.slice(0, 10).join(", ") + (found.length > 10 ? ", …" : "");
  throw new DbctlError("target-not-empty", `Cannot restore into ${database}: it holds ${names}`, {
    remedy: "Name another database (--create makes it), or empty this one yourself",
  });
}

async function findContent(catalog: Catalog): Promise<string[]> {
  const from = (kind: string, table: string, column: string) =>
    `SELECT ${kind} AS kind, ${column} AS name FROM information_schema.${table} WHERE `;
  const rows = await ask(
    catalog,
    [
      from("TABLE_TYPE", "TABLES", "TABLE_NAME") + inSchema(catalog, "TABLE_SCHEMA"),
      from("ROUTINE_TYPE", "ROUTINES", "ROUTINE_NAME") + inSchema(catalog, "ROUTINE_SCHEMA"),
      from("'EVENT'", "EVENTS", "EVENT_NAME") + inSchema(catalog, "EVENT_SCHEMA"),
    ].join(" UNION ALL "),
    "look into the database",
  );
  return rows.map((row) => `${(row["kind"] ?? "").toLowerCase()} ${row["name"] ?? ""}`);
}

function lacking(database: string, missing: string[]): DbctlError {
  const what = missing.join(", ");
  return new DbctlError("engine-refused", `Cannot restore into ${database}: there is no ${what}`, {
    remedy: "Create what is missing on the target server first",
  });
}

async function dropDatabase(login: Login, { signal }: Waiting): Promise<void> {
  const { database } = login.target;
  await using session = await openSession(login, { signal, database: null });
  const sql = `DROP DATABASE IF EXISTS ${quoteName(database)}`;
  await session.execute(sql, { signal, act: `drop database ${database}` });
}
