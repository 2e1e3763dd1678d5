import { compareMariadb, comparePostgres } from "../fixtures/compare-databases.ts";
import { mariadb } from "../fixtures/mariadb-client.ts";
import {
  type MariadbServer,
  mariadbIsInstalled,
  startMariadb,
} from "../fixtures/mariadb-server.ts";
import { changeMariadbShop, createMariadbShop } from "../fixtures/mariadb-shop.ts";
import {
  postgresPrograms,
  type PostgresServer,
  startPostgres,
} from "../fixtures/postgres-server.ts";
import { changePostgresShop, createPostgresShop } from "../fixtures/postgres-shop.ts";
import { psql } from "../fixtures/psql.ts";

/** A server with one database that the demo backs up, and a copy that it restores beside it. */
export interface Source {
  name: string;
  /** The host that the server plays in the fleet. */
  host: string;
  /** URL of the server, for its agent. */
  serverUrl: string;
  /** Appends 1 % of the rows and updates as many. */
  change(): Promise<void>;
  /** What differs between original and copy: a line each. */
  compare(): Promise<string[]>;
}

export interface Sources extends AsyncDisposable {
  all: Source[];
  /** Servers that are not installed here. */
  missing: string[];
}

export const database = "shop";
export const copy = "shop_restored";

/** Starts what is installed of two PostgreSQL majors and a MariaDB, each with a shop of that size. */
export async function startSources(megabytes: number): Promise<Sources> {
  await using stack = new AsyncDisposableStack();
  const all: Source[] = [];
  const missing: string[] = [];
  for (const major of [15, 17]) {
    if (postgresPrograms(major) === undefined) missing.push(`PostgreSQL ${major}`);
    else all.push(await fillPostgres(stack.use(await startPostgres(major)), megabytes));
  }
  if (!mariadbIsInstalled()) missing.push("MariaDB");
  else all.push(await fillMariadb(stack.use(await startMariadb()), megabytes));
  const owned = stack.move();
  return { all, missing, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

async function fillPostgres(server: PostgresServer, megabytes: number): Promise<Source> {
  await psql(server, "postgres", `create database ${database}`);
  await createPostgresShop({ server, database }, { megabytes });
  return {
    name: `PostgreSQL ${server.major}`,
    host: `postgres${server.major}`,
    serverUrl: server.url(""),
    change: () => changePostgresShop({ server, database }, { fraction: 0.01 }),
    compare: () => comparePostgres({ server, database }, { server, database: copy }),
  };
}

async function fillMariadb(server: MariadbServer, megabytes: number): Promise<Source> {
  await mariadb(server, "", `create database ${database}`);
  await createMariadbShop({ server, database }, { megabytes });
  return {
    name: "MariaDB",
    host: "mariadb",
    serverUrl: server.url(""),
    change: () => changeMariadbShop({ server, database }, { fraction: 0.01 }),
    compare: () => compareMariadb({ server, database }, { server, database: copy }),
  };
}
