import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type PostgresServer,
  startPostgres,
} from "../../../integration/fixtures/postgres-server.ts";
import { noChunks, RowChunker } from "../../pipeline/row-chunker.ts";
import {
  openScratchSession,
  openView,
  readTable,
  scratchEngine,
  signal,
  slowly,
  sumOf,
} from "./copy-contract.ts";
import { createPostgresEngine } from "./engine.ts";
import { openReader } from "./reader.ts";
import { openLeader } from "./snapshot.ts";
import { parsePostgresTarget } from "./target.ts";

const fast = { lockTimeoutMs: 200, pausesMs: [50, 50] };

for (const major of [15, 17])
  describe(`openSnapshot() of PostgreSQL ${major}`, () => {
    let server: PostgresServer;
    before(async () => (server = await startPostgres(major)));
    after(() => server[Symbol.asyncDispose]());

    const create = async (name: string, ddl: string) => {
      await using admin = await openScratchSession(server);
      await admin.execute(`CREATE DATABASE ${name}`);
      await using session = await openScratchSession(server, name);
      await session.execute(ddl);
    };
    const access = (name: string) => ({
      target: parsePostgresTarget(server.url(name)),
      password: undefined,
    });
    const sessionsOf = async (name: string) => {
      await using admin = await openScratchSession(server);
      const rows = await admin.query(
        `SELECT pid FROM pg_catalog.pg_stat_activity WHERE datname = '${name}'`,
      );
      return rows.length;
    };

    test("shows one state of all tables while others write", async () => {
      await create(
        "bank",
        `CREATE TABLE public.a (v int); CREATE TABLE public.b (v int);
         INSERT INTO public.a VALUES (0); INSERT INTO public.b VALUES (0)`,
      );
      let stop = false;
      const write = async () => {
        await using session = await openScratchSession(server, "bank");
        for (let i = 1; !stop; i++)
          await session.execute(`BEGIN; INSERT INTO public.a VALUES (${i});
            INSERT INTO public.b VALUES (${i}); COMMIT`);
      };
      const writers = [write(), write()];
      try {
        const seen: bigint[] = [];
        for (let round = 0; round < 4; round++) {
          await using view = await openView(scratchEngine(server, "bank"));
          const rows: bigint[] = [];
          for (const table of await view.snapshot.listTables()) {
            rows.push(sumOf(await readTable(view, table)).rows);
            await sleep(20);
          }
          assert.equal(rows[0], rows[1]);
          seen.push(rows[0] ?? 0n);
          await view.snapshot.assertAlive();
          assert.match(view.snapshot.position["lsn"] ?? "", /^[0-9A-F]+\/[0-9A-F]+$/);
        }
        assert.ok((seen[3] ?? 0n) > (seen[0] ?? 0n), "the writers wrote meanwhile");
      } finally {
        stop = true;
        await Promise.all(writers);
      }
    });

    test("cuts a table so that every row is in one part while rows come and move", async () => {
      await create(
        "cut",
        `CREATE TABLE public.t (id int, v text);
         INSERT INTO public.t SELECT i, repeat('x', 1000) FROM generate_series(1, 150000) i`,
      );
      await using view = await openView(scratchEngine(server, "cut"));
      await using writer = await openScratchSession(server, "cut");
      await writer.execute(`UPDATE public.t SET v = v || 'y' WHERE id % 3 = 0;
        DELETE FROM public.t WHERE id % 3 = 1;
        INSERT INTO public.t SELECT i, 'new' FROM generate_series(1, 1000) i`);
      const [table] = await view.snapshot.listTables();
      assert.ok(table);
      const parts = await readTable(view, table);
      assert.ok(parts.length > 2, `${parts.length} parts`);
      assert.equal(sumOf(parts).rows, 150_000n);
      const sizes = parts.map(({ bytes }) => bytes.length);
      assert.ok(Math.max(...sizes) < 128 << 20);
      await using now = await openView(scratchEngine(server, "cut"));
      assert.equal(sumOf(await readTable(now, table)).rows, 101_000n);
    });

    test("gives up with the name of the process that holds a lock, and leaves nothing", async () => {
      await create("locked", "CREATE TABLE public.t (id int); CREATE TABLE public.u (id int)");
      {
        await using holder = await openScratchSession(server, "locked");
        await holder.execute("BEGIN; LOCK TABLE public.u IN ACCESS EXCLUSIVE MODE");
        const startReaders = () => assert.fail("no reader may start");
        const opening = openLeader({ ...access("locked"), ...fast }, { startReaders, signal });
        await assert.rejects(opening, {
          code: "busy",
          retryable: true,
          message: new RegExp(`public\\.u by process ${holder.pid} .*LOCK TABLE`),
        });
        assert.equal(await sessionsOf("locked"), 1);
      }
      await using _ = await openView(scratchEngine(server, "locked"));
    });

    test("starts anew when a table was emptied while its lock was waited for", async () => {
      await create("emptied", "CREATE TABLE public.t (id int); INSERT INTO public.t VALUES (1)");
      const holder = await openScratchSession(server, "emptied");
      await holder.execute("BEGIN; TRUNCATE public.t; INSERT INTO public.t VALUES (1), (2)");
      let readers = 0;
      const startReaders = async () => void readers++;
      const patient = { lockTimeoutMs: 10_000, pausesMs: [10, 10] };
      const opening = openLeader({ ...access("emptied"), ...patient }, { startReaders, signal });
      await sleep(150);
      await holder.execute("COMMIT; CREATE TABLE public.late (id int)");
      await using snapshot = await opening;
      assert.equal(readers, 1);
      assert.deepEqual(
        (await snapshot.listTables()).map(({ name }) => name),
        ["t", "late"],
      );
      await holder.execute("SET lock_timeout = 50");
      await assert.rejects(holder.execute("TRUNCATE public.late"), { code: "busy" });
      await holder[Symbol.asyncDispose]();
    });

    test("readers do not queue up behind a statement that waits for the backup", async () => {
      await create("queue", "CREATE TABLE public.t (id int); INSERT INTO public.t VALUES (1)");
      await using view = await openView(scratchEngine(server, "queue"));
      const [table] = await view.snapshot.listTables();
      assert.ok(table);
      await using changer = await openScratchSession(server, "queue");
      const altering = assert.rejects(
        changer.execute("SET lock_timeout = 700; ALTER TABLE public.t ADD COLUMN v int"),
        { code: "busy" },
      );
      while ((await blockedIn("queue")) === 0) await sleep(10);
      assert.equal(sumOf(await readTable(view, table)).rows, 1n);
      await altering;
      await using admin = await openScratchSession(server);
      const held = await admin.query(
        `SELECT DISTINCT pid FROM pg_catalog.pg_locks
         WHERE relation >= 16384 AND mode = 'AccessShareLock'`,
      );
      assert.equal(held.length, 1, "the leader alone keeps its lock");
    });

    test("readers give up when that statement does not", async () => {
      await create("jam", "CREATE TABLE public.t (id int)");
      const hasty = { ...access("jam"), lockPausesMs: [10, 20] };
      const engine = scratchEngine(server, "jam");
      const view = await openView({
        ...engine,
        openReader: (ticket, options) => openReader(hasty, ticket, options),
      });
      const [table] = await view.snapshot.listTables();
      assert.ok(table);
      await using changer = await openScratchSession(server, "jam");
      const altering = changer.execute("ALTER TABLE public.t ADD COLUMN v int");
      while ((await blockedIn("jam")) === 0) await sleep(10);
      await assert.rejects(readTable(view, table), { code: "busy", retryable: true });
      await view[Symbol.asyncDispose]();
      await altering;
    });
    const blockedIn = async (name: string) => {
      await using admin = await openScratchSession(server);
      const rows = await admin.query(
        `SELECT pid FROM pg_catalog.pg_stat_activity
         WHERE datname = '${name}' AND wait_event_type = 'Lock'`,
      );
      return rows.length;
    };

    test("is lost with its leader, and assertAlive() says so", async () => {
      await create("lost", "CREATE TABLE public.t (id int)");
      const snapshot = await scratchEngine(server, "lost").openSnapshot({
        startReaders: () => Promise.resolve(),
        signal,
      });
      await using admin = await openScratchSession(server);
      await admin.execute(`SELECT pg_catalog.pg_terminate_backend(pid)
        FROM pg_catalog.pg_stat_activity WHERE datname = 'lost'`);
      await assert.rejects(snapshot.assertAlive(), { code: "engine-unreachable" });
      await snapshot[Symbol.asyncDispose]();
    });

    test("a reader keeps pace with its sink and loses nothing", async () => {
      await create(
        "pace",
        `CREATE TABLE public.t (v text);
         INSERT INTO public.t SELECT repeat('x', i % 500) FROM generate_series(1, 100000) i`,
      );
      await using view = await openView(scratchEngine(server, "pace"));
      const [table] = await view.snapshot.listTables();
      assert.ok(table);
      const fast_ = sumOf(await readTable(view, table));
      assert.equal(fast_.rows, 100_000n);
      assert.deepEqual(sumOf(await readTable(view, table, slowly())), fast_);
      assert.deepEqual(sumOf(await readTable(view, table, slowly({ full: true }))), fast_);
    });

    test("a reader that waits for its sink ends at once on abort and leaves no session", async () => {
      await create(
        "abort",
        `CREATE TABLE public.t (v text);
         INSERT INTO public.t SELECT repeat('x', 1000) FROM generate_series(1, 20000)`,
      );
      const controller = new AbortController();
      const engine = scratchEngine(server, "abort");
      const view = await openView(engine);
      const [table] = await view.snapshot.listTables();
      assert.ok(table);
      const [part] = await view.snapshot.cutParts(table);
      assert.ok(part);
      const drained = async (options: { signal: AbortSignal }) => {
        await sleep(60_000, undefined, options).catch(() => options.signal.throwIfAborted());
      };
      const stuck = { ...noChunks, full: true, drained };
      const sink = new RowChunker(stuck, Buffer.alloc(16));
      sink.beginPart();
      const reading = view.reader.readPart(part, sink, { signal: controller.signal });
      await sleep(50);
      controller.abort(new Error("enough"));
      await assert.rejects(reading, /enough/);
      await view[Symbol.asyncDispose]();
      assert.equal(await sessionsOf("abort"), 0);
    });

    test("a statement that runs on the server is cancelled on abort", async () => {
      await create("sleepy", "SELECT 1");
      const controller = new AbortController();
      const session = await openScratchSession(server, "sleepy");
      const running = session.query("SELECT pg_sleep(300)", { signal: controller.signal });
      await sleep(50);
      const begun = performance.now();
      controller.abort(new Error("enough"));
      await assert.rejects(running, /enough/);
      await session[Symbol.asyncDispose]();
      assert.ok(performance.now() - begun < 1_000);
      while ((await sessionsOf("sleepy")) > 0) assert.ok(performance.now() - begun < 2_000);
    });

    test("a reader with rights on no table says which right it lacks", async () => {
      await create("rights", "CREATE TABLE public.t (id int); CREATE ROLE weak LOGIN");
      const target = { ...parsePostgresTarget(server.url("rights")), user: "weak" };
      const engine = createPostgresEngine({ target, password: undefined });
      const startReaders = () => Promise.resolve();
      await assert.rejects(engine.openSnapshot({ startReaders, signal }), {
        code: "engine-denied",
        message: /permission denied for table t/,
      });
    });

    test("rows that a policy hides are an error, not a smaller backup", async () => {
      await create(
        "policy",
        `CREATE TABLE public.t (id int); INSERT INTO public.t VALUES (1);
         ALTER TABLE public.t ENABLE ROW LEVEL SECURITY;
         CREATE ROLE limited LOGIN; GRANT SELECT ON public.t TO limited`,
      );
      const target = { ...parsePostgresTarget(server.url("policy")), user: "limited" };
      await using view = await openView(createPostgresEngine({ target, password: undefined }));
      const [table] = await view.snapshot.listTables();
      assert.ok(table);
      await assert.rejects(readTable(view, table), { message: /row-level security/ });
    });
  });
