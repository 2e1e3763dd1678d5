import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type PostgresServer,
  startPostgres,
} from "../../../integration/fixtures/postgres-server.ts";
import type { PreparedTarget, SchemaObject } from "../engine.ts";
import { objectStep } from "../restore-journal.ts";
import { openScratchSession, scratchEngine, signal } from "./copy-contract.ts";

const origin = { repository: "r1", backup: "20261120T101530Z-k3v9x0ap", content: "ab".repeat(32) };
const step = objectStep(0);

const objectOf = (...statements: string[]): SchemaObject => {
  return { kind: "table", name: "public.t", section: "pre-data", statements };
};

for (const major of [15, 17])
  describe(`the journal of a restore with PostgreSQL ${major}`, () => {
    let server: PostgresServer;
    before(async () => (server = await startPostgres(major)));
    after(() => server[Symbol.asyncDispose]());

    const prepare = async (name: string, resume = false): Promise<PreparedTarget> => {
      const facts = await scratchEngine(server, "postgres").probe({ signal });
      const list = { objects: [], unsupported: [], requires: [] };
      const plan = { facts, list, tables: [], origin };
      return await scratchEngine(server, name).prepareTarget(plan, {
        create: true,
        resume,
        signal,
      });
    };
    const ask = async (database: string, sql: string) => {
      await using session = await openScratchSession(server, database);
      return (await session.query(sql))[0];
    };

    test("build() does all statements of an object and records it, or nothing", async () => {
      await using _ = await prepare("whole");
      await using loader = await scratchEngine(server, "whole").openLoader({ signal });
      const create = "CREATE TABLE public.t (id int) -- a comment at the end";
      const failing = loader.build(objectOf(create, "CREATE TABLE public.t ()"), { step, signal });
      await assert.rejects(failing, /already exists/);
      const state = `SELECT to_regclass('public.t') AS t,
        (SELECT count(*) FROM dbctl_restore.step WHERE name = '${step}') AS steps`;
      assert.deepEqual(await ask("whole", state), { t: null, steps: "0" });
      const comment = "COMMENT ON TABLE public.t IS 'done'";
      await loader.build(objectOf(create, comment), { step, signal });
      assert.deepEqual(await ask("whole", state), { t: "public.t", steps: "1" });
    });

    test("what the server goes on with after its client was killed is ended, and not recorded", async () => {
      await (await prepare("slow"))[Symbol.asyncDispose]();
      await using loader = await scratchEngine(server, "slow").openLoader({ signal });
      const slow = "DO $$ BEGIN PERFORM pg_catalog.pg_sleep(60); END $$";
      const outcome = loader
        .build(objectOf("CREATE TABLE public.t ()", slow), { step, signal })
        .then(
          () => "built",
          () => "ended",
        );
      const sleeping = "SELECT 1 AS one FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
      while ((await ask("slow", sleeping)) === undefined) await sleep(10);
      const startedAt = performance.now();
      await using target = await prepare("slow", true);
      assert.equal(target.done.size, 0);
      assert.equal(await outcome, "ended");
      assert.ok(performance.now() - startedAt < 10_000);
      assert.deepEqual(await ask("slow", "SELECT to_regclass('public.t') AS t"), { t: null });
    });

    test("finish() does without the session that held the lock, when that was lost", async () => {
      await using target = await prepare("lost");
      const end = `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'`;
      await ask("lost", end);
      await target.finish({ signal });
      const left = "SELECT to_regnamespace('dbctl_restore') AS schema";
      assert.deepEqual(await ask("lost", left), { schema: null });
    });

    test("finish() is neither seen nor forbidden by the database's own event triggers", async () => {
      await using target = await prepare("guarded");
      const sql = `CREATE FUNCTION public.refuse() RETURNS event_trigger LANGUAGE plpgsql
          AS $$ BEGIN RAISE EXCEPTION 'no %', tg_tag; END $$;
        CREATE EVENT TRIGGER never ON sql_drop EXECUTE FUNCTION public.refuse();
        CREATE EVENT TRIGGER "al""ways" ON ddl_command_start EXECUTE FUNCTION public.refuse();
        CREATE EVENT TRIGGER off ON ddl_command_end EXECUTE FUNCTION public.refuse();
        ALTER EVENT TRIGGER never ENABLE REPLICA; ALTER EVENT TRIGGER off DISABLE;
        ALTER EVENT TRIGGER "al""ways" ENABLE ALWAYS`;
      await ask("guarded", sql);
      const states = `SELECT string_agg(evtname || ' ' || evtenabled::text, ', ' ORDER BY evtname) AS s
        FROM pg_event_trigger`;
      const before = await ask("guarded", states);
      await target.finish({ signal });
      assert.deepEqual(await ask("guarded", states), before);
      const left = "SELECT to_regnamespace('dbctl_restore') AS schema";
      assert.deepEqual(await ask("guarded", left), { schema: null });
    });
  });
