import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { RowChunker } from "../../pipeline/row-chunker.ts";
import type { PartReader, Snapshot, TableData } from "../engine.ts";
import { createMysqlEngine } from "./engine.ts";
import { beginView } from "./reader.ts";
import { openScratch, openView, readTables, type Scratch } from "./scratch-copy.ts";
import { openSession, type Session } from "./session.ts";
import { setUpReading } from "./setup-session.ts";
import { stopWrites } from "./stop-writes.ts";

let scratch: Scratch;
const { signal } = new AbortController();
before(async () => (scratch = await openScratch()));
after(async () => await scratch[Symbol.asyncDispose]());
beforeEach(async () => {
  await scratch.root.execute("DROP DATABASE IF EXISTS source", { signal });
  await scratch.root.execute("CREATE DATABASE source", { signal });
});

const startReaders = () => Promise.resolve();

const accounts = [
  "CREATE TABLE debit (id INT PRIMARY KEY, amount BIGINT)",
  "CREATE TABLE credit (id INT PRIMARY KEY, amount BIGINT)",
  "INSERT INTO debit SELECT seq, 1000000 FROM seq_1_to_50",
  "INSERT INTO credit SELECT seq, 0 FROM seq_1_to_50",
];

/** Moves amounts between the tables until it is told to stop; counts the transfers. */
async function transfer(until: AbortSignal): Promise<number> {
  await using session = await openSession(scratch.login("source"), { signal });
  let count = 0;
  for (; !until.aborted; count++) {
    const [id, other] = [1 + (count % 50), 1 + ((count * 7) % 50)];
    await session.execute("START TRANSACTION", { signal });
    await session.execute(`UPDATE debit SET amount = amount - 7 WHERE id = ${id}`, { signal });
    await session.execute(`UPDATE credit SET amount = amount + 7 WHERE id = ${other}`, { signal });
    await session.execute("COMMIT", { signal });
  }
  return count;
}

/** Runs a check several times while amounts are moved; gives how many moments were seen. */
async function amidTransfers(check: () => Promise<bigint>): Promise<void> {
  await scratch.run("source", accounts);
  const stop = new AbortController();
  // One writer: several would lock each other out.
  const writer = transfer(stop.signal);
  const seen = new Set<bigint>();
  try {
    for (let round = 0; round < 8; round++) seen.add(await check());
  } finally {
    stop.abort();
    await writer;
  }
  assert.ok(seen.size > 3, "nothing was written between the snapshots");
}

/** The sum of the second column of a table of small numbers, as a reader sees it. */
async function sumAmounts(
  reader: PartReader,
  snapshot: Snapshot,
  table: TableData,
): Promise<bigint> {
  const chunks: Buffer[] = [];
  const add = (chunk: Uint8Array) => void chunks.push(Buffer.from(chunk));
  const rows = new RowChunker({ add, full: false, drained: startReaders }, Buffer.alloc(16));
  rows.beginPart();
  for (const part of await snapshot.cutParts(table)) await reader.readPart(part, rows, { signal });
  rows.endPart();
  const bytes = Buffer.concat(chunks);
  let sum = 0n;
  for (let at = 0; at < bytes.length;) {
    const start = at + 2 + (bytes[at] ?? 0);
    at = start + (bytes[start - 1] ?? 0);
    sum += BigInt(bytes.toString("latin1", start, at));
  }
  return sum;
}

test("openSnapshot() shows three readers one moment amid transfers", async () => {
  const engine = scratch.engine("source");
  await amidTransfers(async () => {
    await using view = await openView(engine, 3);
    const [credit, debit] = await view.snapshot.listTables();
    assert.ok(credit !== undefined && debit !== undefined);
    const credits = new Set<bigint>();
    for (const reader of view.readers) {
      const inCredit = await sumAmounts(reader, view.snapshot, credit);
      credits.add(inCredit);
      assert.equal(inCredit + (await sumAmounts(reader, view.snapshot, debit)), 50_000_000n);
    }
    const [only = 0n, ...others] = credits;
    assert.deepEqual(others, [], "readers see different moments");
    return only;
  });
});

/** A session that believes it talks to a server without backup stages. */
async function openOldSession(): Promise<Session> {
  const session = await openSession(scratch.login("source"), { signal });
  const greeting = { ...session.greeting, version: "10.3.39-MariaDB" };
  Object.defineProperty(session, "greeting", { value: greeting });
  return session;
}

test("stopWrites() holds an old server still as well, by a read lock", async () => {
  await amidTransfers(async () => {
    await using stack = new AsyncDisposableStack();
    const stopper = stack.use(await openOldSession());
    const stop = stack.use(await stopWrites(stopper, signal));
    const readers: Session[] = [];
    for (let n = 0; n < 3; n++) {
      const reader = stack.use(await openSession(scratch.login("source"), { signal }));
      await setUpReading(reader, signal);
      await beginView(reader, signal);
      await sleep(5);
      readers.push(reader);
    }
    await stop.release();
    const sums =
      "SELECT (SELECT SUM(amount) FROM debit) AS d, (SELECT SUM(amount) FROM credit) AS c";
    const seen = new Set<string>();
    for (const reader of readers) {
      const [row] = await reader.query(sums, { signal });
      assert.equal(BigInt(row?.["d"] ?? 0) + BigInt(row?.["c"] ?? 0), 50_000_000n);
      seen.add(row?.["c"] ?? "");
    }
    assert.equal(seen.size, 1);
    return BigInt([...seen][0] ?? 0);
  });
});

test("stopWrites() by a read lock waits for long statements, and does not queue behind", async () => {
  await using session = await openOldSession();
  const abort = new AbortController();
  const busy = await openSession(scratch.login("source"), { signal });
  const sleeping = assert.rejects(busy.query("SELECT SLEEP(60)", { signal: abort.signal }), /done/);
  await sleep(5_500);
  let stopped = false;
  const stopping = stopWrites(session, signal).then((stop) => {
    stopped = true;
    return stop;
  });
  await sleep(500);
  assert.ok(!stopped);
  await scratch.run("source", ["SET lock_wait_timeout = 1", "CREATE TABLE free (id INT)"]);
  abort.abort(new Error("done"));
  await sleeping;
  await busy[Symbol.asyncDispose]();
  await using _ = await stopping;
});

test("openSnapshot() waits for another backup's stop, and tries again", async () => {
  const other = await openSession(scratch.login("source"), { signal });
  for (const stage of ["START", "BLOCK_COMMIT"])
    await other.execute(`BACKUP STAGE ${stage}`, { signal });
  const opening = openView(scratch.engine("source"), 1);
  await sleep(5_500);
  await other[Symbol.asyncDispose]();
  await using _ = await opening;
});

test("openSnapshot() gives up a stop of more than 10 s, and lets writers go on", async () => {
  await scratch.run("source", accounts);
  const engine = scratch.engine("source");
  const opening = engine.openSnapshot({ startReaders: () => sleep(12_000), signal });
  await assert.rejects(opening, { code: "busy", message: /stood still for more than 10 s/ });
  await scratch.run("source", ["SET lock_wait_timeout = 1", "DELETE FROM debit"]);
});

test("openSnapshot() records the position in the binary log", async () => {
  await scratch.run("source", ["CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1)"]);
  await using view = await openView(scratch.engine("source"), 0);
  const [status] = await scratch.rows("source", "SHOW MASTER STATUS");
  const { gtid, file, offset } = view.snapshot.position;
  assert.deepEqual([file, offset], [status?.["File"], status?.["Position"]]);
  assert.match(gtid ?? "", /^0-1-\d+$/);
});

test("assertAlive() rejects when the server has ended the leader", async () => {
  await scratch.run("source", ["CREATE TABLE a (id INT PRIMARY KEY)"]);
  const sessions = "SELECT MIN(ID) AS id FROM information_schema.PROCESSLIST WHERE DB = 'source'";
  const losing = async () => {
    await using view = await openView(scratch.engine("source"), 1);
    await view.snapshot.assertAlive();
    // The leader comes first of all sessions.
    const [leader] = await scratch.root.query(sessions, { signal });
    await scratch.root.execute(`KILL ${leader?.["id"]}`, { signal });
    await view.snapshot.assertAlive();
  };
  await assert.rejects(losing(), { code: "engine-unreachable" });
});

test("a table that is changed while the backup runs fails it", async () => {
  const changes = [
    "ALTER TABLE a ADD COLUMN b INT FIRST, ALGORITHM = COPY",
    "TRUNCATE TABLE a",
    "DROP TABLE a",
    "RENAME TABLE a TO b",
    "CREATE TABLE c (id INT PRIMARY KEY)",
  ];
  for (const change of changes) {
    await scratch.run("source", [
      "CREATE TABLE a (id INT PRIMARY KEY)",
      "INSERT INTO a VALUES (1)",
    ]);
    const backUp = async () => {
      await using view = await openView(scratch.engine("source"), 1);
      await view.snapshot.listObjects();
      await view.snapshot.listTables();
      await scratch.run("source", [change]);
      await readTables(view);
    };
    await assert.rejects(
      backUp(),
      (error: Error) => "code" in error && /^(busy|engine-refused)$/.test(String(error.code)),
      change,
    );
    await scratch.run("source", ["DROP TABLE IF EXISTS a, b, c"]);
  }
});

test("limits of the server on time do not end a snapshot", async () => {
  const limits = ["max_statement_time = 1", "idle_transaction_timeout = 1", "wait_timeout = 1"];
  for (const limit of limits) await scratch.root.execute(`SET GLOBAL ${limit}`, { signal });
  await scratch.run("source", ["CREATE TABLE a (id INT PRIMARY KEY)", "INSERT INTO a VALUES (1)"]);
  {
    await using view = await openView(scratch.engine("source"), 1);
    await sleep(2_500);
    assert.equal((await readTables(view)).get("a")?.sums.rows, 1n);
  }
  for (const limit of [
    "max_statement_time = 0",
    "idle_transaction_timeout = 0",
    "wait_timeout = 28800",
  ])
    await scratch.root.execute(`SET GLOBAL ${limit}`, { signal });
});

test("readers leave no lock on a table behind", async () => {
  await scratch.run("source", ["CREATE TABLE a (id INT PRIMARY KEY)", "INSERT INTO a VALUES (1)"]);
  await using view = await openView(scratch.engine("source"), 1);
  await readTables(view);
  await scratch.run("source", ["SET lock_wait_timeout = 1", "ALTER TABLE a ADD COLUMN b INT"]);
});

test("listObjects() names tables without transactions that have rows", async () => {
  await scratch.run("source", [
    "CREATE TABLE empty (id INT) ENGINE = MyISAM",
    "CREATE TABLE filled (id INT) ENGINE = Aria",
    "INSERT INTO filled VALUES (1)",
  ]);
  await using view = await openView(scratch.engine("source"), 0);
  const { unsupported } = await view.snapshot.listObjects();
  assert.deepEqual(
    unsupported.map(({ kind, name }) => `${kind} ${name}`),
    ["table data filled"],
  );
  assert.match(unsupported[0]?.remedy ?? "", /ENGINE = InnoDB/);
});

test("listObjects() names views that are broken", async () => {
  await scratch.run("source", [
    "CREATE TABLE t (id INT)",
    "CREATE VIEW v AS SELECT id FROM t",
    "DROP TABLE t",
  ]);
  await using view = await openView(scratch.engine("source"), 0);
  const { unsupported } = await view.snapshot.listObjects();
  assert.deepEqual(
    unsupported.map(({ kind, name }) => `${kind} ${name}`),
    ["view v"],
  );
});

for (const [grants, count] of [
  [["GRANT SELECT ON source.* TO weak@localhost"], 3],
  // Sees the rights of root, which are not its own.
  [["GRANT SELECT ON *.* TO weak@localhost"], 2],
  [
    [
      "CREATE ROLE strong",
      "GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON *.* TO strong",
      "GRANT strong TO weak@localhost",
      "SET DEFAULT ROLE strong FOR weak@localhost",
    ],
    1,
  ],
] as const)
  test(`openSnapshot() names missing rights as a GRANT that helps: ${grants.at(-1)}`, async () => {
    await scratch.run("mysql", ["CREATE USER weak@localhost", ...grants]);
    await scratch.run("source", ["CREATE PROCEDURE p() SELECT 1"]);
    const login = scratch.login("source");
    const engine = createMysqlEngine({ ...login, target: { ...login.target, user: "weak" } });
    const remedies: string[] = [];
    for (let done = false; !done && remedies.length < 5;) {
      try {
        await using snapshot = await engine.openSnapshot({ startReaders, signal });
        const { objects } = await snapshot.listObjects();
        assert.ok(objects.some(({ name }) => name === "p"));
        done = true;
      } catch (error) {
        const remedy = error instanceof Error && "remedy" in error ? String(error.remedy) : "";
        const grant = /GRANT .*/.exec(remedy)?.[0] ?? assert.fail(String(error));
        remedies.push(grant);
        await scratch.root.execute(grant.replace(/<.*>/, "weak@localhost"), { signal });
      }
    }
    await scratch.run("mysql", ["DROP USER weak@localhost", "DROP ROLE IF EXISTS strong"]);
    assert.equal(remedies.length, count, remedies.join("\n"));
  });

test("openSnapshot() finds everything, however the database's name is written where case is nothing", async () => {
  await using folded = await openScratch({ "lower-case-table-names": "1" });
  await folded.root.execute("CREATE DATABASE Shop", { signal });
  await folded.run("shop", ["CREATE TABLE T (a INT)"]);
  await using view = await openView(folded.engine("SHOP"), 0);
  const [table] = await view.snapshot.listTables();
  assert.deepEqual([table?.schema, table?.name], ["shop", "t"]);
  const { objects } = await view.snapshot.listObjects();
  assert.deepEqual(
    objects.map(({ kind, name }) => `${kind} ${name}`),
    ["database shop", "table t"],
  );
});
