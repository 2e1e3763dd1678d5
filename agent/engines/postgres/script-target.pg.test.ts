import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import {
  type PostgresServer,
  startPostgres,
} from "../../../integration/fixtures/postgres-server.ts";
import { psql } from "../../../integration/fixtures/psql.ts";
import type { ScriptSession } from "../script-target.ts";
import { createScriptTarget } from "./script-target.ts";
import { parsePostgresTarget } from "./target.ts";

const { signal } = new AbortController();
const act = "run the test";

describe("a PostgreSQL session for statements of others", () => {
  const stack = new AsyncDisposableStack();
  let server: PostgresServer;
  let session: ScriptSession;

  before(async () => {
    server = stack.use(await startPostgres(15));
    const target = parsePostgresTarget(server.url("postgres"));
    const scripts = createScriptTarget({ target, password: undefined });
    const { isSuperuser, roles, flavour } = await scripts.inspect({ signal });
    assert.deepEqual([isSuperuser, roles.has("postgres"), flavour], [true, true, "postgres"]);
    session = stack.use(await scripts.openSession({ database: "postgres", signal }));
  });
  after(() => stack.disposeAsync());

  const run = (sql: string) => session.run(Buffer.from(sql), { act, signal });
  const runAll = (...sqls: string[]) =>
    session.runAll(
      sqls.map((sql, n) => ({ sql: Buffer.from(sql), act: `run number ${n + 1}` })),
      { signal },
    );
  const ask = (sql: string) => psql(server, "postgres", sql);

  test("runs one statement and refuses two in one text", async () => {
    await run("create table one (a int)");
    await assert.rejects(run("insert into one values (1); drop table one"), /multiple commands/);
    assert.equal(await ask("select count(*) from one"), "0");
    await run("select * from generate_series(1, 10000)");
  });

  test("runs statements together, all or none, and names the one that fails", async () => {
    await run("create table many (a int primary key)");
    await assert.rejects(
      runAll("insert into many values (1)", "insert into many values (1)", "select 1"),
      /Cannot run number 2: duplicate key/,
    );
    assert.equal(await ask("select count(*) from many"), "0");
    await assert.rejects(runAll("insert into", "select 1"), /Cannot run number 1: syntax error/);
    await runAll(...Array.from({ length: 500 }, (_, n) => `insert into many values (${n})`));
    assert.equal(await ask("select count(*) from many"), "500");
  });

  test("loads rows as they are and tells how many the server has taken", async () => {
    await run("create table copied (a int, b text)");
    // oxlint-disable-next-line typescript/require-await
    async function* rows() {
      yield Buffer.from("1\ta\\tb\n2");
      yield Buffer.from("\t\\N\n");
    }
    const sql = Buffer.from("COPY copied (a, b) FROM stdin");
    assert.equal(await session.copy(sql, { act, rows: rows(), signal }), 2);
    const wrong = Buffer.from("COPY copied (c) FROM stdin");
    await assert.rejects(session.copy(wrong, { act, rows: rows(), signal }), /column "c"/);
    assert.equal(
      await ask("select string_agg(a || coalesce(b, 'NULL'), ',') from copied"),
      "1a\tb,2NULL",
    );
  });

  test("takes settings of other releases that are switched off, and no others", async () => {
    await run("SET default_with_oids = false");
    await run("SET transaction_timeout_of_later = 0");
    await assert.rejects(run("SET transaction_timeout_of_later = 5"), /unrecognized configuration/);
    await run("CREATE SCHEMA public");
    await run("CREATE SCHEMA other");
    await assert.rejects(run("CREATE SCHEMA other"), /already exists/);
  });

  test("takes it that what is to be dropped may not be there, and nothing else", async () => {
    await run("DROP TABLE public.never");
    await run("ALTER TABLE ONLY public.never DROP CONSTRAINT never_key");
    await run("DROP FUNCTION public.never(integer)");
    await assert.rejects(run("ALTER TABLE public.never ADD a int"), /never" does not exist/);
    await run("create table kept (a int)");
    await run("create view of_kept as select * from kept");
    await assert.rejects(run("DROP TABLE kept"), /other objects depend on it/);
  });

  test("a COPY that comes as a plain statement breaks the session, loudly", async () => {
    const target = parsePostgresTarget(server.url("postgres"));
    await using other = await createScriptTarget({ target, password: undefined }).openSession({
      database: "postgres",
      signal,
    });
    const sql = Buffer.from("copy pg_class to stdout");
    await assert.rejects(other.run(sql, { act, signal }), /a message "H" came/);
  });
});
