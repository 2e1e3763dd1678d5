import { setTimeout as sleep } from "node:timers/promises";
import { DbctlError } from "../../../core/errors.ts";
import type { ServerFacts, Waiting } from "../engine.ts";
import { violation } from "./messages.ts";
import { quoteLiteral, quoteName } from "./quote.ts";
import { sqlstateOf } from "./server-error.ts";
import { openSession, type PostgresSession } from "./session.ts";
import type { Access } from "./snapshot.ts";
import { describeTarget, type PostgresTarget } from "./target.ts";

/** Every server has it unless somebody dropped it; CREATE DATABASE needs a session elsewhere. */
const maintenanceDatabase = "postgres";
/** How long the end of an interrupted CREATE DATABASE is waited for. */
const cleanUpLimitMs = 5_000;

export function maintenanceOf(target: PostgresTarget): PostgresTarget {
  return { ...target, database: maintenanceDatabase };
}

/** A database that a restore has created, and may drop. */
export interface CreatedDatabase {
  /** Drops it, but no other one that has its name by now. */
  drop(options: Waiting): Promise<void>;
}

/** Creates the target's database like the source's; `session` is one with the maintenance one. */
export async function createDatabase(
  session: PostgresSession,
  { access, facts }: { access: Access; facts: ServerFacts },
): Promise<CreatedDatabase> {
  const { database } = access.target;
  const options = databaseOptions(session, facts).join(" ");
  const create = `CREATE DATABASE ${quoteName(database)} TEMPLATE template0 ${options}`;
  const doing = `create database ${database} (${options})`;
  if ((await findOid(session, database)) !== undefined) throw taken(access.target);
  try {
    await session.execute(create, { doing });
    return await findCreated(session, access);
  } catch (error) {
    if (sqlstateOf(error) === undefined) await cleanUp(access, { pid: session.pid, error });
    throw error;
  }
}

/** The target's database, which a restore has created. */
export async function findCreated(
  session: PostgresSession,
  access: Access,
): Promise<CreatedDatabase> {
  const oid = await findOid(session, access.target.database);
  if (oid === undefined) throw violation("the database that was just created is not there");
  return { drop: ({ signal }) => dropCreated(access, { oid, signal }) };
}

function taken(target: PostgresTarget): DbctlError {
  return new DbctlError(
    "target-exists",
    `Cannot create database ${describeTarget(target)}: it is there already`,
    { remedy: "Choose another name, or restore into an empty database without --create" },
  );
}

async function findOid(session: PostgresSession, database: string): Promise<string | undefined> {
  const rows = await session.query(
    `SELECT oid FROM pg_catalog.pg_database WHERE datname = ${quoteLiteral(database)}`,
  );
  return rows[0]?.["oid"] ?? undefined;
}

async function dropCreated(
  { target, password }: Access,
  { oid, signal }: { oid: string; signal: AbortSignal },
): Promise<void> {
  await using session = await openSession(maintenanceOf(target), { password, signal });
  // Gone, or another one of that name: not ours to drop.
  if ((await findOid(session, target.database)) !== oid) return;
  const force = session.major >= 13 ? " WITH (FORCE)" : "";
  await session.execute(`DROP DATABASE ${quoteName(target.database)}${force}`, {
    doing: `drop database ${target.database}, which an unfinished restore has created`,
  });
}

/**
 * The connection was lost or cut before the server said whether the database was created. It was
 * not there before; once the session is gone, it either is there or never will be.
 */
async function cleanUp(
  { target, password }: Access,
  { pid, error }: { pid: number; error: unknown },
): Promise<void> {
  const signal = AbortSignal.timeout(cleanUpLimitMs);
  try {
    await using session = await openSession(maintenanceOf(target), { password, signal });
    const alive = `SELECT 1 FROM pg_catalog.pg_stat_activity WHERE pid = ${pid}`;
    while ((await session.query(alive)).length > 0) await sleep(20, undefined, { signal });
    await session.execute(`DROP DATABASE IF EXISTS ${quoteName(target.database)}`);
  } catch (left) {
    const what = `Cannot tell whether database ${target.database} was created; drop it if it is there`;
    throw new AggregateError([error, left], what);
  }
}

/** Encoding and locale of the source. What the target does not offer is its error to report. */
function databaseOptions({ major }: PostgresSession, { settings }: ServerFacts): string[] {
  const { encoding, collate, ctype, localeProvider = "libc", locale, icuRules } = settings;
  const options = { ENCODING: encoding, LC_COLLATE: collate, LC_CTYPE: ctype };
  const provided =
    major < 15 && localeProvider === "libc"
      ? {}
      : {
          LOCALE_PROVIDER: localeProvider,
          ...(localeProvider === "icu" ? { ICU_LOCALE: locale, ICU_RULES: icuRules } : {}),
          ...(localeProvider === "builtin" ? { BUILTIN_LOCALE: locale } : {}),
        };
  return Object.entries({ ...options, ...provided }).flatMap(([option, value]) =>
    value === undefined ? [] : [`${option} ${quoteLiteral(value)}`],
  );
}
