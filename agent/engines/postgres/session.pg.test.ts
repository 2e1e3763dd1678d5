import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import {
  type PostgresServer,
  startPostgres,
} from "../../../integration/fixtures/postgres-server.ts";
import { copyIn } from "./copy-in.ts";
import { one, openScratchSession } from "./copy-contract.ts";

for (const major of [15, 17])
  describe(`PostgresSession with PostgreSQL ${major}`, () => {
    let server: PostgresServer;
    before(async () => (server = await startPostgres(major)));
    after(() => server[Symbol.asyncDispose]());

    test("gives rows of text, nulls, and the last result of several statements", async () => {
      await using session = await openScratchSession(server);
      const rows = await session.query(`SELECT 1; SELECT NULL AS "n""ü", 'a''b' AS t`);
      assert.deepEqual(rows, [{ 'n"ü': null, t: "a'b" }]);
      assert.equal(session.major, major);
      assert.equal(session.encoding, "UTF8");
      assert.deepEqual(await session.query(""), []);
    });

    test("runs statements in the order they were given, and goes on after an error", async () => {
      await using session = await openScratchSession(server);
      const results = await Promise.allSettled([
        session.query("SELECT pg_sleep(0.05), 1 AS n"),
        session.query("SELECT nonsense", { doing: "ask for nonsense" }),
        session.query("SELECT 2 AS n"),
      ]);
      const [first, second, third] = results;
      assert.equal(first.status === "fulfilled" && first.value[0]?.["n"], "1");
      assert.match(
        String(second.status === "rejected" && second.reason),
        /Cannot ask for nonsense: /,
      );
      assert.equal(third.status === "fulfilled" && third.value[0]?.["n"], "2");
    });

    test("inherits no setting from role, database or server", async () => {
      await using admin = await openScratchSession(server);
      await admin.execute("CREATE DATABASE odd");
      for (const setting of [
        "search_path = nowhere",
        "statement_timeout = 1",
        "lock_timeout = 1",
        "datestyle = 'german'",
        "intervalstyle = 'iso_8601'",
        "timezone = 'Asia/Tokyo'",
        "extra_float_digits = -5",
        "row_security = on",
        "synchronize_seqscans = on",
        "bytea_output = 'escape'",
        "standard_conforming_strings = off",
        "client_encoding = 'LATIN1'",
        "default_transaction_read_only = on",
      ])
        await admin.execute(`ALTER DATABASE odd SET ${setting}`);
      await using session = await openScratchSession(server, "odd");
      const [row] = await session.query(
        `SELECT now()::date = now()::date AS same, '2020-02-03'::date AS d, 'é' AS text,
           '1 mon'::interval AS i, 0.1::float8 AS f, '\\xff'::bytea AS b,
           current_setting('search_path') AS path, current_setting('row_security') AS rls,
           current_setting('statement_timeout') AS st, current_setting('lock_timeout') AS lt,
           current_setting('timezone') AS tz, current_setting('synchronize_seqscans') AS ss,
           current_setting('application_name') AS app`,
      );
      assert.deepEqual(row, {
        same: "t",
        d: "2020-02-03",
        text: "é",
        i: "1 mon",
        f: "0.1",
        b: "\\xff",
        path: "",
        rls: "off",
        st: "0",
        lt: "0",
        tz: "UTC",
        ss: "off",
        app: "dbctl",
      });
      await session.execute("CREATE TABLE public.written ()");
    });

    test("copyIn() passes the server's error on, and loads nothing", async () => {
      await using session = await openScratchSession(server);
      await session.execute("CREATE TABLE public.target (id int)");
      async function* rows() {
        for (let i = 0; i < 200; i++) yield Buffer.from("1\n".repeat(10_000));
        yield Buffer.from("not a number\n");
        for (let i = 0; i < 200; i++) yield Buffer.from("1\n".repeat(10_000));
      }
      const sql = "COPY public.target FROM STDIN";
      const options = { isBinary: false, doing: "load" };
      await assert.rejects(copyIn(session, sql, { ...options, bytes: rows() }), {
        code: "engine-refused",
        message: /not a number.*COPY target, line 2000001, column id/,
      });
      const good = { ...options, bytes: one(Buffer.from("7\n8\n")) };
      assert.equal(await copyIn(session, sql, good), 2);
      assert.deepEqual(await session.query("SELECT count(*) FROM public.target"), [{ count: "2" }]);
    });

    test("copyIn() ends the session when its source fails, and loads nothing", async () => {
      const session = await openScratchSession(server);
      await session.execute("CREATE TABLE public.broken (id int)");
      async function* rows() {
        yield Buffer.from("1\n");
        throw new Error("disk on fire");
      }
      const copying = copyIn(session, "COPY public.broken FROM STDIN", {
        bytes: rows(),
        isBinary: false,
      });
      await assert.rejects(copying, /disk on fire/);
      await session[Symbol.asyncDispose]();
      await using other = await openScratchSession(server);
      assert.deepEqual(await other.query("SELECT * FROM public.broken"), []);
    });

    test("says why the server ended it", async () => {
      await using session = await openScratchSession(server);
      await using admin = await openScratchSession(server);
      const ended = assert.rejects(session.query("SELECT pg_sleep(60)"), {
        code: "engine-unreachable",
        message: /administrator/,
      });
      await admin.execute(`SELECT pg_terminate_backend(${session.pid})`);
      await ended;
      await assert.rejects(session.query("SELECT 1"), { code: "engine-unreachable" });
    });
  });
