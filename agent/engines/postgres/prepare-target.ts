import { DbctlError } from "../../../core/errors.ts";
import type { PreparedTarget, PrepareOptions, RestorePlan } from "../engine.ts";
import { unfinishedRestore } from "../restore-journal.ts";
import {
  createDatabase,
  type CreatedDatabase,
  findCreated,
  maintenanceOf,
} from "./create-database.ts";
import { createJournal, type Journal, readJournal, resumeJournal } from "./restore-journal.ts";
import { openSession, type PostgresSession } from "./session.ts";
import type { Access } from "./snapshot.ts";
import { describeTarget, type PostgresTarget } from "./target.ts";

/** The first oid that users' objects get. Source: FirstNormalObjectId, access/transam.h. */
const firstUserOid = 16384;
const shownObjects = 5;

/** Checks all that can be checked before data moves, then creates the database if asked to. */
export async function prepareTarget(
  access: Access,
  plan: RestorePlan,
  options: PrepareOptions,
): Promise<PreparedTarget> {
  const { create, resume = false, signal } = options;
  const { target, password } = access;
  const place = create && !resume ? maintenanceOf(target) : target;
  await using session = await openSession(place, { password, signal });
  checkFlavour(session, plan);
  await checkWritable(session, target);
  await checkRequirements(session, plan);
  if (resume) {
    const journal = await resumeJournal(access, { plan, signal });
    const database = journal.created ? await findCreated(session, access) : undefined;
    return prepared(journal, database);
  }
  if (!create) {
    await checkEmpty(session);
    return prepared(await beginJournal(access, plan, { created: false, signal }));
  }
  const database = await createDatabase(session, { access, facts: plan.facts });
  try {
    return prepared(await beginJournal(access, plan, { created: true, signal }), database);
  } catch (error) {
    await database.drop({ signal: AbortSignal.timeout(undoMs) });
    throw error;
  }
}

/** What a database that was created in vain may take to go. */
const undoMs = 60_000;

async function beginJournal(
  access: Access,
  { origin }: RestorePlan,
  options: { created: boolean; signal: AbortSignal },
): Promise<Journal | undefined> {
  return origin === undefined ? undefined : await createJournal(access, { origin, ...options });
}

function prepared(journal: Journal | undefined, database?: CreatedDatabase): PreparedTarget {
  return {
    done: journal?.done ?? new Set(),
    created: database !== undefined,
    undo: async (options) => {
      await journal?.[Symbol.asyncDispose]();
      await database?.drop(options);
    },
    finish: async (options) => await journal?.finish(options),
    [Symbol.asyncDispose]: async () => await journal?.[Symbol.asyncDispose](),
  };
}

function checkFlavour({ version }: PostgresSession, { facts }: RestorePlan): void {
  if (facts.flavour === "postgres") return;
  throw new DbctlError(
    "engine-unsupported",
    `Cannot restore a backup of ${facts.flavour} ${facts.version} into postgres ${version}`,
    { remedy: `Use a server of ${facts.flavour} ${facts.version} or newer` },
  );
}

async function checkWritable(session: PostgresSession, target: PostgresTarget): Promise<void> {
  const [row] = await session.query("SELECT pg_catalog.pg_is_in_recovery() AS standby");
  if (row?.["standby"] === "f") return;
  throw new DbctlError(
    "engine-refused",
    `Cannot restore into ${describeTarget(target)}: the server is a standby`,
    { remedy: "Restore into the primary" },
  );
}

/** Where a server keeps what a restore needs from it, by kind. */
const offers: Record<string, string> = {
  role: "SELECT rolname AS name FROM pg_catalog.pg_roles",
  collation: "SELECT collname AS name FROM pg_catalog.pg_collation",
  tablespace: "SELECT spcname AS name FROM pg_catalog.pg_tablespace",
  extension:
    "SELECT name || ' ' || version AS name FROM pg_catalog.pg_available_extension_versions",
};

async function checkRequirements(session: PostgresSession, { list }: RestorePlan): Promise<void> {
  const missing: string[] = [];
  for (const [kind, wanted] of Map.groupBy(list.requires, (required) => required.kind)) {
    const offer = offers[kind];
    const offered = new Set(
      offer === undefined ? [] : (await session.query(offer)).map((row) => row["name"]),
    );
    const absent = wanted.filter(({ name }) => !offered.has(name));
    missing.push(...absent.map(({ name }) => `${kind} ${name}`));
  }
  if (missing.length === 0) return;
  throw new DbctlError(
    "engine-refused",
    `Cannot restore into ${describeTarget(session.target)}: the server lacks ${missing.join(", ")}`,
    { remedy: "Create the roles, install the extensions and locales, then try again" },
  );
}

async function checkEmpty(session: PostgresSession): Promise<void> {
  const unfinished = await readJournal(session);
  if (unfinished !== undefined) throw unfinishedRestore(describeTarget(session.target), unfinished);
  const name = (catalog: string) => `c.oid::pg_catalog.${catalog}::text`;
  const isOwn = (namespace: string) =>
    `c.oid >= ${firstUserOid} AND c.${namespace} NOT IN (SELECT oid FROM pg_catalog.pg_namespace
      WHERE nspname ~ '^pg_(toast|temp)|^pg_catalog$|^information_schema$')`;
  const rows = await session.query(`
    SELECT 'relation ' || ${name("regclass")} AS name
      FROM pg_catalog.pg_class AS c WHERE ${isOwn("relnamespace")}
    UNION ALL SELECT 'routine ' || ${name("regprocedure")}
      FROM pg_catalog.pg_proc AS c WHERE ${isOwn("pronamespace")}
    UNION ALL SELECT 'type ' || ${name("regtype")}
      FROM pg_catalog.pg_type AS c WHERE ${isOwn("typnamespace")}
    UNION ALL SELECT 'operator ' || ${name("regoperator")}
      FROM pg_catalog.pg_operator AS c WHERE ${isOwn("oprnamespace")}
    UNION ALL SELECT 'schema ' || nspname FROM pg_catalog.pg_namespace
      WHERE oid >= ${firstUserOid} AND nspname !~ '^pg_(toast_)?temp_'
    UNION ALL SELECT 'extension ' || extname FROM pg_catalog.pg_extension
      WHERE oid >= ${firstUserOid}
    UNION ALL SELECT 'large object ' || oid FROM pg_catalog.pg_largeobject_metadata
    LIMIT ${shownObjects + 1}`);
  if (rows.length === 0) return;
  const shown = rows.slice(0, shownObjects).map((row) => row["name"]);
  const more = rows.length > shownObjects ? ", …" : "";
  throw new DbctlError(
    "target-not-empty",
    `Cannot restore into ${describeTarget(session.target)}: it holds ${shown.join(", ")}${more}`,
    { remedy: "Restore into an empty database, or into a new one with --create" },
  );
}
