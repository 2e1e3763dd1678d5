import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { jetstream } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { type Db, openDatabase } from "../../controller/database/database.ts";
import { catalogFile } from "../../controller/start-controller.ts";
import { type Fleet, type FleetAgent, startFleet } from "../fixtures/fleet.ts";
import { mariadb } from "../fixtures/mariadb-client.ts";
import { type MariadbServer, startMariadb } from "../fixtures/mariadb-server.ts";
import { psql } from "../fixtures/psql.ts";
import { type PostgresServer, startPostgres } from "../fixtures/postgres-server.ts";

/** A fleet with a database of each engine on a host of its own, and a view into its catalog. */
export interface FleetUnderFire extends AsyncDisposable {
  readonly fleet: Fleet;
  readonly agents: readonly [FleetAgent, FleetAgent];
  readonly db: Db;
  /** New rows everywhere, so that each backup has something to store. */
  write(): Promise<void>;
}

interface Options {
  nats?: string;
  controllerArgs: string[];
  /** Rows of each database, of some hundred bytes. */
  rows: number;
  /** Called before agents join. */
  onController?: (fleet: Fleet) => void;
}

export async function startFleetUnderFire(options: Options): Promise<FleetUnderFire> {
  const { nats, controllerArgs, rows } = options;
  await using stack = new AsyncDisposableStack();
  const servers = {
    postgres: stack.use(await startPostgres(15)),
    maria: stack.use(await startMariadb()),
  };
  await fill(servers, rows);
  const bus = nats === undefined ? {} : { nats };
  const fleet = stack.use(await startFleet({ ...bus, controllerArgs }));
  options.onController?.(fleet);
  const agents = [
    await fleet.addAgent("db1", [{ name: "main", url: servers.postgres.url("") }]),
    await fleet.addAgent("db2", [{ name: "main", url: servers.maria.url("") }]),
  ] as const;
  await applyPolicy(fleet);
  const db = stack.use(await openDatabase(catalogFile(join(fleet.dbctl.folder, "controller"))));
  const owned = stack.move();
  return {
    fleet,
    agents,
    db,
    write: () => change(servers),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

interface Servers {
  postgres: PostgresServer;
  maria: MariadbServer;
}

async function fill({ postgres, maria }: Servers, rows: number): Promise<void> {
  await psql(postgres, "postgres", "create database shop");
  const postgresRows = `select n, repeat(md5(n::text), 10) as v from generate_series(1, ${rows}) n`;
  await psql(postgres, "shop", `create table t as ${postgresRows}`);
  await mariadb(maria, "", "create database blog");
  const mariaRows = `select seq, repeat(md5(seq), 10) from seq_1_to_${rows}`;
  await mariadb(
    maria,
    "blog",
    `create table t (n int primary key, v text); insert into t ${mariaRows}`,
  );
}

async function change({ postgres, maria }: Servers): Promise<void> {
  await Promise.all([
    psql(postgres, "shop", "update t set v = repeat(md5(v || random()), 10) where n % 2 = 0"),
    mariadb(maria, "blog", "update t set v = repeat(md5(concat(v, rand())), 10) where n % 2 = 0"),
  ]);
}

/** Tries often and soon. */
async function applyPolicy({ dbctl }: Fleet): Promise<void> {
  const path = join(dbctl.folder, "policies.yaml");
  await writeFile(
    path,
    `- name: everything
  select: "host in (db1,db2)"
  schedule: "0 3 1 1 *"
  rpo: 10000h
  retry: { times: 20, delay: 1s }
  repository: ${dbctl.repo}
`,
  );
  await dbctl.ok("policies", "apply", "-f", path);
}

export interface Message {
  id: string;
  subject: string;
  body: string;
}

/** All that a consumer of others has been handed by NATS, in order. */
export async function consumeAll(url: string): Promise<Message[]> {
  const connection = await connect({ servers: url });
  try {
    const consumer = await jetstream(connection).consumers.get("DBCTL_V1");
    const messages: Message[] = [];
    const { num_pending: pending } = await consumer.info();
    if (pending === 0) return messages;
    for await (const message of await consumer.consume({ max_messages: 100 })) {
      const id = message.headers?.get("Nats-Msg-Id") ?? "";
      messages.push({ id, subject: message.subject, body: message.string() });
      if (message.info.pending === 0) break;
    }
    return messages;
  } finally {
    await connection.close();
  }
}
