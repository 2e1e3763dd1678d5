import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import {
  type PostgresServer,
  startPostgres,
} from "../../../integration/fixtures/postgres-server.ts";
import { one, openScratchSession, scratchEngine, signal } from "./copy-contract.ts";

const objectOf = (...statements: string[]) => ({
  kind: "index",
  name: "public.i",
  section: "index" as const,
  statements,
});

for (const major of [15, 17])
  describe(`openLoader() with PostgreSQL ${major}`, () => {
    let server: PostgresServer;
    before(async () => {
      server = await startPostgres(major, { deadlock_timeout: "50ms" });
      await using session = await openScratchSession(server);
      await session.execute("CREATE TABLE public.a (id int); CREATE TABLE public.b (id int)");
    });
    after(() => server[Symbol.asyncDispose]());

    const openLoader = () => scratchEngine(server, "postgres").openLoader({ signal });
    const impatient = "SET lock_timeout = '50ms'";

    test("build() waits for a lock as long as another loader works", async () => {
      await using first = await openLoader();
      await using second = await openLoader();
      const slow = "DO $$ BEGIN LOCK TABLE public.a; PERFORM pg_sleep(1); END $$";
      const building = first.build(objectOf(slow), { signal });
      await new Promise((resolve) => setTimeout(resolve, 200));
      await second.build(objectOf(impatient, "CREATE INDEX ON public.a (id)"), { signal });
      await building;
    });

    test("build() does not wait for others for ever, and names what it builds", async () => {
      await using stranger = await openScratchSession(server);
      await stranger.execute("SET application_name = 'other'; BEGIN; LOCK TABLE public.a");
      await using loader = await openLoader();
      const building = loader.build(objectOf(impatient, "CREATE INDEX ON public.a (id)"), {
        signal,
      });
      await assert.rejects(building, { code: "busy", message: /^Cannot build index public\.i: / });
    });

    test("build() tries again when the lock may have become free just after it gave up", async () => {
      await using stranger = await openScratchSession(server);
      await stranger.execute("SET application_name = 'other'; BEGIN; LOCK TABLE public.a");
      await using loader = await openLoader();
      const patient = "SET lock_timeout = '400ms'";
      const building = loader.build(objectOf(patient, "CREATE INDEX ON public.a (id)"), { signal });
      await new Promise((resolve) => setTimeout(resolve, 600));
      await stranger.execute("COMMIT");
      await building;
    });

    test("build() begins again after a deadlock", async () => {
      await using first = await openLoader();
      await using second = await openLoader();
      const lock = (one_: string, other: string) =>
        `DO $$ BEGIN LOCK TABLE public.${one_}; PERFORM pg_sleep(0.2); LOCK TABLE public.${other}; END $$`;
      await Promise.all([
        first.build(objectOf(lock("a", "b")), { signal }),
        second.build(objectOf(lock("b", "a")), { signal }),
      ]);
    });

    test("build() stops at the first statement that fails", async () => {
      await using loader = await openLoader();
      const statements = [
        "CREATE TABLE public.c ()",
        "CREATE TABLE public.c ()",
        "CREATE TABLE public.d ()",
      ];
      await assert.rejects(loader.build(objectOf(...statements), { signal }), {
        code: "engine-refused",
      });
      await using session = await openScratchSession(server);
      const [row] = await session.query(
        "SELECT to_regclass('public.c') AS c, to_regclass('public.d') AS d",
      );
      assert.deepEqual(row, { c: "public.c", d: null });
    });

    test("load() names table, line and column of a value that does not fit, and goes on", async () => {
      await using loader = await openLoader();
      const table = {
        schema: "public",
        name: "a",
        columns: ["id"],
        format: "postgres-copy-text",
        details: { encoding: "UTF8" },
      };
      await assert.rejects(loader.load(table, one(Buffer.from("1\nx\n")), { signal }), {
        code: "engine-refused",
        message: /^Cannot load table public\.a: .*COPY a, line 2, column id/,
      });
      assert.equal(await loader.load(table, one(Buffer.from("7\n")), { signal }), 1);
      for (const details of [null, {}, { encoding: 7 }])
        await assert.rejects(loader.load({ ...table, details }, one(Buffer.from("")), { signal }), {
          code: "repository-newer",
        });
      const unknown = { ...table, format: "postgres-parquet" };
      await assert.rejects(loader.load(unknown, one(Buffer.from("")), { signal }), {
        code: "repository-newer",
      });
    });
  });
