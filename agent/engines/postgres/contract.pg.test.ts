import { after, before, describe } from "node:test";
import {
  type PostgresServer,
  startPostgres,
} from "../../../integration/fixtures/postgres-server.ts";
import { describeEngine, type EngineScratch } from "../engine-contract.ts";
import { describeRestoreJournal } from "../restore-journal-contract.ts";
import { openScratchSession, scratchEngine } from "./copy-contract.ts";

for (const major of [15, 17])
  describe(`with PostgreSQL ${major}`, () => {
    let server: PostgresServer;
    before(async () => (server = await startPostgres(major)));
    after(() => server[Symbol.asyncDispose]());

    const openEngineScratch = async (): Promise<EngineScratch> => {
      const admin = await openScratchSession(server);
      await admin.execute("CREATE DATABASE source");
      const source = await openScratchSession(server, "source");
      await source.execute("CREATE TABLE public.items (id serial PRIMARY KEY, text text)");
      const [counted] = await source.query("SELECT pg_backend_pid() AS pid");
      const others = `SELECT count(*) AS n FROM pg_catalog.pg_stat_activity
        WHERE application_name = 'dbctl' AND pid NOT IN (pg_backend_pid(), ${counted?.["pid"]})`;
      return {
        at: (database) => scratchEngine(server, database),
        addItems: async ({ count, length }) => {
          const rows = `SELECT repeat('x', ${length}) FROM generate_series(1, ${count})`;
          await source.execute(`INSERT INTO public.items (text) ${rows}`);
        },
        countSessions: async () => Number((await admin.query(others))[0]?.["n"]),
        [Symbol.asyncDispose]: async () => {
          await source[Symbol.asyncDispose]();
          await admin.execute("DROP DATABASE source");
          await admin.execute("DROP DATABASE IF EXISTS copy");
          await admin[Symbol.asyncDispose]();
        },
      };
    };
    describeEngine("postgres engine", openEngineScratch);
    describeRestoreJournal("postgres engine", openEngineScratch);
  });
