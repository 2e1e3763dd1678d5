import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import type { PostgresServer } from "../../../integration/fixtures/postgres-server.ts";
import type { ObjectList } from "../engine.ts";
import { listObjects } from "./list-objects.ts";
import { openSession, type PostgresSession } from "./session.ts";
import { parsePostgresTarget } from "./target.ts";

/** What a schema is in its source, and in a copy made of nothing but the listed statements. */
export interface RoundTrip {
  source: ObjectList;
  copy: ObjectList;
  /** What pg_dump prints of both; empty where the server has no pg_dump. */
  sourceDump: string;
  copyDump: string;
}

const { signal } = new AbortController();
let databases = 0;

/** For tests: builds a schema from a script, copies it into an empty database, lists both. */
export async function copySchema(server: PostgresServer, script: string): Promise<RoundTrip> {
  const [from, to] = [`source_${++databases}`, `copy_${databases}`];
  await using admin = await openDatabase(server, "postgres");
  for (const name of [from, to]) await admin.query(`CREATE DATABASE ${name} TEMPLATE template0`);
  const source = await listSchema(server, from, script);
  await using target = await openDatabase(server, to);
  await target.query("SET check_function_bodies = off");
  for (const object of source.objects)
    for (const statement of object.statements)
      await target.query(statement, { doing: `build ${object.kind} ${object.name}: ${statement}` });
  const copy = await readList(target);
  const [sourceDump, copyDump] = [await dump(server, from), await dump(server, to)];
  return { source, copy, sourceDump, copyDump };
}

/** For tests: what a script makes of an empty database. */
export async function listSchema(
  server: PostgresServer,
  database: string,
  script: string,
): Promise<ObjectList> {
  await using session = await openDatabase(server, database);
  await session.query(script);
  return await readList(session);
}

export function openDatabase(server: PostgresServer, database: string): Promise<PostgresSession> {
  return openSession(parsePostgresTarget(server.url(database)), { signal });
}

async function readList(session: PostgresSession): Promise<ObjectList> {
  await session.query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
  const list = await listObjects(session);
  await session.query("COMMIT");
  // Sizes differ: a copy has no rows.
  for (const object of list.objects) delete object.cost;
  return list;
}

async function dump(server: PostgresServer, database: string): Promise<string> {
  if (server.major !== 15) return "";
  const { stdout } = await promisify(execFile)(
    join(server.programs, "pg_dump"),
    [
      "--schema-only",
      "-U",
      "postgres",
      "-h",
      server.socketFolder,
      "-p",
      `${server.port}`,
      database,
    ],
    { maxBuffer: 64 << 20 },
  );
  // 15.14 and newer put a random word into these lines.
  return stdout.replaceAll(/^\\(un)?restrict .*$/gm, "");
}
