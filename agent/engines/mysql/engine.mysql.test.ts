import { after, before } from "node:test";
import { type MariadbServer, startMariadb } from "../../../integration/fixtures/mariadb-server.ts";
import { describeEngine, type EngineScratch } from "../engine-contract.ts";
import { describeRestoreJournal } from "../restore-journal-contract.ts";
import { createMysqlEngine } from "./engine.ts";
import { openSession } from "./session.ts";
import { parseMysqlTarget } from "./target.ts";

const { signal } = new AbortController();
let server: MariadbServer;
before(async () => (server = await startMariadb()));
after(async () => await server[Symbol.asyncDispose]());

const openEngineScratch = async (): Promise<EngineScratch> => {
  const login = { target: parseMysqlTarget(server.url("source")), password: undefined };
  const session = await openSession(login, { signal, database: null });
  const run = (sql: string) => session.execute(sql, { signal });
  await run("CREATE DATABASE source");
  await run("CREATE TABLE source.items (id INT AUTO_INCREMENT PRIMARY KEY, text MEDIUMTEXT)");
  const sessions = `SELECT COUNT(*) AS n FROM information_schema.PROCESSLIST
    WHERE ID <> CONNECTION_ID() AND USER = 'root'`;
  return {
    at: (database) => {
      const target = parseMysqlTarget(server.url(database));
      return createMysqlEngine({ target, password: undefined });
    },
    addItems: async ({ count, length }) => {
      const rows = `SELECT REPEAT('x', ${length}) FROM source.seq_1_to_${count}`;
      await run(`INSERT INTO source.items (text) ${rows}`);
    },
    countSessions: async () => Number((await session.query(sessions, { signal }))[0]?.["n"]),
    [Symbol.asyncDispose]: async () => {
      await run("DROP DATABASE source");
      await run("DROP DATABASE IF EXISTS copy");
      await session[Symbol.asyncDispose]();
    },
  };
};

describeEngine("mariadb engine", openEngineScratch);
describeRestoreJournal("mariadb engine", openEngineScratch);
