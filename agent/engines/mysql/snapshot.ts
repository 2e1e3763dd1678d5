import { DbctlError } from "../../../core/errors.ts";
import type { ObjectList, Part, Snapshot, SnapshotOptions, TableData } from "../engine.ts";
import { ask, type Catalog, openCatalog } from "./catalog.ts";
import { cutParts } from "./cut-parts.ts";
import { listObjects } from "./list-objects.ts";
import { planTables, type TablePlan } from "./list-tables.ts";
import { readPosition } from "./position.ts";
import { quoteName } from "./quote.ts";
import { beginView, releaseTables } from "./reader.ts";
import { checkReadingRights } from "./rights.ts";
import { type Login, openSession, type Session } from "./session.ts";
import { setUpReading } from "./setup-session.ts";
import { stopWrites } from "./stop-writes.ts";
import { isTable, isTransactional, readTableList, type TableEntry } from "./table-list.ts";

/** A stop that lasts longer is given up (spec ENG-07). */
const longestStopMs = 10_000;

/** One moment of the database: what the stop of the writers has pinned. */
interface Moment {
  position: Record<string, string>;
  tables: TableEntry[];
  /** Tables that are no part of the view, since their engine has no transactions, and have rows. */
  outside: TableEntry[];
}

/** Pins one view for all readers, while writers stand still for a moment. */
export async function openSnapshot(login: Login, options: SnapshotOptions): Promise<Snapshot> {
  const { signal } = options;
  await using stack = new AsyncDisposableStack();
  const open = async () => {
    const session = stack.use(await openSession(login, { signal }));
    await setUpReading(session, signal);
    return session;
  };
  const leader = await open();
  const catalog = await openCatalog(await open(), login.target.database, signal);
  await checkReadingRights(catalog);
  const moment = await pinMoment(login, { leader, catalog, options });
  const owned = stack.move();
  const plan = once(() => planTables(catalog, moment.tables));
  return {
    position: moment.position,
    listObjects: async () => describe(catalog, moment, await plan()),
    listTables: async () =>
      (await plan()).flatMap((table) => (table.kind === "data" ? [table.data] : [])),
    cutParts: (table) => cut(leader, table, signal),
    assertAlive: () => assertAlive(leader, catalog, moment),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

interface Pinning {
  leader: Session;
  catalog: Catalog;
  options: SnapshotOptions;
}

async function pinMoment(login: Login, pinning: Pinning): Promise<Moment> {
  const { leader, catalog, options } = pinning;
  const { signal } = options;
  await using stopper = await openSession(login, { signal });
  await using stop = await stopWrites(stopper, signal);
  const tooLong = AbortSignal.timeout(longestStopMs);
  const pin = async (): Promise<Moment> => {
    await beginView(leader, signal);
    await options.startReaders({ kind: "mysql" });
    const position = await readPosition(leader, signal);
    const tables = await readTableList(catalog);
    return { position, tables, outside: await findOutside(catalog, tables) };
  };
  const moment = await orTooLong(pin(), tooLong);
  await stop.release();
  return moment;
}

async function orTooLong<T>(work: Promise<T>, tooLong: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const giveUp = () =>
    reject(
      new DbctlError("busy", "Cannot open a snapshot: writes stood still for more than 10 s", {
        remedy: "Use fewer readers, or start the backup when the server has less to do",
        retryable: true,
      }),
    );
  tooLong.addEventListener("abort", giveUp, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    tooLong.removeEventListener("abort", giveUp);
  }
}

/** A table without transactions is consistent only as long as writes stand still: empty is fine. */
async function findOutside(catalog: Catalog, tables: TableEntry[]): Promise<TableEntry[]> {
  const outside: TableEntry[] = [];
  for (const table of tables.filter((one) => isTable(one) && !isTransactional(one))) {
    const sql = `SELECT 1 AS n FROM ${quoteName(table.name)} LIMIT 1`;
    const rows = await ask(catalog, sql, `read table ${table.name}`);
    if (rows.length > 0) outside.push(table);
  }
  return outside;
}

async function describe(catalog: Catalog, moment: Moment, plans: TablePlan[]): Promise<ObjectList> {
  const list = await listObjects(catalog, moment.tables);
  await assertSameTables(catalog, moment);
  const lost = plans.flatMap((plan) =>
    plan.kind === "unsupported"
      ? [{ kind: "table data", name: plan.name, remedy: plan.remedy }]
      : [],
  );
  const outside = moment.outside.map(({ name, engine }) => ({
    kind: "table data",
    name,
    remedy: `Run ALTER TABLE ${quoteName(name)} ENGINE = InnoDB: ${engine} has no transactions`,
  }));
  return { ...list, unsupported: [...list.unsupported, ...lost, ...outside] };
}

async function cut(leader: Session, table: TableData, signal: AbortSignal): Promise<Part[]> {
  const parts = await cutParts(leader, table, { signal });
  await releaseTables(leader, signal);
  return parts;
}

async function assertAlive(leader: Session, catalog: Catalog, moment: Moment): Promise<void> {
  // Fails when the transaction, and with it the savepoint, is gone.
  await releaseTables(leader, catalog.signal);
  await assertSameTables(catalog, moment);
}

/**
 * A table that is dropped or renamed while the backup runs would be left out in silence; one that
 * is changed is noticed by the reader (error 1412).
 */
async function assertSameTables(catalog: Catalog, moment: Moment): Promise<void> {
  const sign = ({ name, type, engine }: TableEntry) => JSON.stringify([name, type, engine]);
  const before = new Set(moment.tables.map(sign));
  const now = new Set((await readTableList(catalog)).map(sign));
  const [differing] = before.symmetricDifference(now);
  if (differing === undefined) return;
  const [name] = JSON.parse(differing) as [string];
  throw new DbctlError("busy", `Cannot back up: table ${name} was changed meanwhile`, {
    remedy: "Start the backup again when no schema changes run",
    retryable: true,
  });
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => (made ??= make());
}
