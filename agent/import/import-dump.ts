import { DbctlError } from "../../core/errors.ts";
import type { Engine, PreparedTarget, RestorePlan } from "../engines/engine.ts";
import type { ScriptServer, ScriptTarget } from "../engines/script-target.ts";
import {
  DatabaseNames,
  databaseSettings,
  isSystemDatabase,
  madeDatabase,
} from "./database-names.ts";
import { type Imported, importItems } from "./import-items.ts";
import { damagedDump, describeDamage, describePlace, refusedDump } from "./refused-dump.ts";
import type { ImportSource, Survey } from "./statement.ts";
import { whyNot } from "./unwanted-statements.ts";

export interface ImportParts {
  /** The dump's path, for messages. */
  path: string;
  source: ImportSource;
  target: ScriptTarget;
  /** The same server at one of its databases. */
  engineOf: (database: string) => Engine;
  /** The database that the target's URL names. */
  database: string;
}

export interface ImportOptions {
  /** Creates the target database; without it the target must be there and empty. */
  create: boolean;
  /** Every database of the dump goes into one of its own name, not into the target's. */
  databases: boolean;
  /** Sessions at once. */
  jobs: number;
  allowSuperuser: boolean;
  owners: boolean;
  privileges: boolean;
  signal: AbortSignal;
  onRead?: (bytes: number) => void;
}

export type ImportEvent =
  | { kind: "surveying"; fileBytes: number }
  | { kind: "surveyed"; survey: Survey; into: string[] }
  | ({ kind: "finished"; survey: Survey; into: string[] } & Imported);

/**
 * Imports a foreign dump. All of it is read and judged before the target is touched; then its
 * statements run one by one. After any error, databases that were created here are dropped again.
 */
export async function* importDump(
  parts: ImportParts,
  options: ImportOptions,
): AsyncGenerator<ImportEvent> {
  yield { kind: "surveying", fileBytes: parts.source.fileBytes };
  const survey = await parts.source.survey({ ...options, deep: true });
  refuseBad(parts.path, survey);
  const server = await parts.target.inspect(options);
  refuseUnfit({ ...parts, survey, server }, options);
  const names = chooseTargets(parts, survey, options);
  const into = [...new Set(names.values())];
  yield { kind: "surveyed", survey, into };
  const imported = await intoPrepared({ ...parts, survey, server, names, into }, options);
  yield { kind: "finished", survey, into, ...imported };
}

/** Whether a dump can be imported as it is: else the error that tells why not. */
export function refuseBad(path: string, { damage, refusals }: Survey): void {
  const [first] = refusals;
  if (first !== undefined) throw refusedDump(path, first);
  if (damage !== null) throw damagedDump(path, describeDamage(damage));
}

interface Work extends ImportParts {
  survey: Survey;
  server: ScriptServer;
}

function refuseUnfit({ path, survey, server }: Work, { allowSuperuser }: ImportOptions): void {
  const dialect = server.flavour === "postgres" ? "postgres" : "mysql";
  const what = `Cannot import ${path}`;
  if (dialect !== survey.dialect)
    throw new DbctlError(
      "dump-refused",
      `${what}: it was written for ${survey.dialect === "mysql" ? "MySQL or MariaDB" : "PostgreSQL"}, and the target is ${server.flavour}`,
      { remedy: "Name a target of the dump's own product" },
    );
  if (server.isSuperuser && !allowSuperuser)
    throw new DbctlError(
      "access-denied",
      `${what}: ${server.user} is a superuser, and the SQL of a dump is code that could do anything`,
      {
        remedy:
          "Import as a user that owns nothing but the target, or add --allow-superuser when you trust the dump",
      },
    );
  const { longest } = survey;
  if (longest !== null && longest.bytes > server.statementLimit)
    throw new DbctlError(
      "engine-refused",
      `${what}: ${describePlace(longest.place)} has ${longest.bytes} bytes, and the server takes ${server.statementLimit}`,
      { remedy: "Raise max_allowed_packet on the target server, at most to 1 GiB" },
    );
}

/** Which database of the dump goes where. What the dump does not name is under "". */
function chooseTargets(
  { path, database }: ImportParts,
  { databases, facts, dialect }: Survey,
  options: ImportOptions,
): Map<string, string> {
  const own = databases.length === 0 ? facts["database"] : undefined;
  const all = (own === undefined ? databases : [own]).filter(
    (name) => !isSystemDatabase(dialect, name),
  );
  if (options.databases && all.length === 0)
    throw new DbctlError("dump-refused", `Cannot import ${path}: it names no database`, {
      remedy: "Leave --databases out, and name the database in --to",
    });
  if (options.databases) return new Map(all.map((name) => [name, name]));
  if (all.length <= 1)
    return new Map([["", database], ...all.map((name) => [name, database] as const)]);
  throw new DbctlError(
    "dump-refused",
    `Cannot import ${path} into ${database}: it holds ${all.length} databases: ${all.slice(0, 10).join(", ")}`,
    { remedy: "Add --databases to import each into a database of its own name" },
  );
}

interface Prepared extends Work {
  names: Map<string, string>;
  into: string[];
}

async function intoPrepared(work: Prepared, options: ImportOptions): Promise<Imported> {
  const { path, source, target, survey, server, names, into, database } = work;
  const { signal, onRead } = options;
  await using prepared = new PreparedTargets();
  let isBegun = false;
  try {
    for (const name of into) await prepared.prepare(work, name, options);
    isBegun = true;
    const items = source.items(onRead === undefined ? { signal } : { signal, onRead });
    return await importItems(items, {
      path,
      dialect: survey.dialect,
      target,
      database: names.get("") ?? into[0] ?? database,
      names: new DatabaseNames(survey.dialect, names),
      // Only of a tool's own dumps is it known that the order of rows does not matter.
      jobs: survey.tool === null ? 1 : options.jobs,
      whyNot: (statement) => whyNot(statement, { ...options, ...server }),
      signal,
    });
  } catch (error) {
    await prepared.undo(error);
    // A target that was refused was not touched: nobody must be told to empty it.
    throw options.create || !isBegun ? error : incomplete(error);
  }
}

/** Databases that were made ready, and those of them that were created. */
class PreparedTargets implements AsyncDisposable {
  readonly #all: PreparedTarget[] = [];

  async prepare(work: Prepared, name: string, options: ImportOptions): Promise<void> {
    const { create, signal } = options;
    const made = work.survey.created.find((sql) => work.names.get(nameMade(work, sql)) === name);
    // Some are on every server, and no dump makes them: postgres, template1.
    const isMade = made !== undefined || !options.databases;
    const plan = planOf(work, { database: name, made });
    const engine = work.engineOf(name);
    this.#all.push(await engine.prepareTarget(plan, { create: create && isMade, signal }));
  }

  /** The import's own error is the one to report, but what is left behind must be known, too. */
  async undo(error: unknown): Promise<void> {
    try {
      for (const one of this.#all) await one.undo({ signal: AbortSignal.timeout(undoMs) });
    } catch (left) {
      throw new AggregateError([error, left], "Cannot undo the import");
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const one of this.#all) await one[Symbol.asyncDispose]();
  }
}

const undoMs = 60_000;

function nameMade({ survey }: Work, sql: string): string {
  return madeDatabase(survey.dialect, sql) ?? "";
}

/** An import prepares its target as a restore of no objects would. */
function planOf(
  { survey, server }: Prepared,
  { database, made }: { database: string; made: string | undefined },
): RestorePlan {
  const { encoding } = survey.facts;
  const settings = {
    ...(encoding === undefined || survey.dialect === "mysql" ? {} : { encoding }),
    ...(survey.dialect === "postgres" ? databaseSettings(made ?? "") : {}),
  };
  const { flavour, version } = server;
  return {
    facts: { flavour, version, instance: "", host: "", database, settings },
    list: { objects: [], unsupported: [], requires: [] },
    tables: [],
  };
}

/** A database that was there before is left to its owner, who has to know what is in it now. */
function incomplete(error: unknown): DbctlError {
  const { code, message, remedy } = DbctlError.from(error);
  return new DbctlError(code, message, {
    remedy: `${remedy}. Then empty the database, which holds a part of the dump, and import again`,
    cause: error,
  });
}
