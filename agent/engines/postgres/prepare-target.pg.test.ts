import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { after, before, describe, test } from "node:test";
import {
  type PostgresServer,
  startPostgres,
} from "../../../integration/fixtures/postgres-server.ts";
import type { RestorePlan } from "../engine.ts";
import { createPostgresEngine } from "./engine.ts";
import { parsePostgresTarget } from "./target.ts";
import { openScratchSession, scratchEngine, signal } from "./copy-contract.ts";

const empty = { objects: [], unsupported: [], requires: [] };

for (const major of [15, 17])
  describe(`prepareTarget() with PostgreSQL ${major}`, () => {
    let server: PostgresServer;
    before(async () => (server = await startPostgres(major)));
    after(() => server[Symbol.asyncDispose]());

    const planOf = async (source: string, list = empty): Promise<RestorePlan> => ({
      facts: await scratchEngine(server, source).probe({ signal }),
      list,
      tables: [],
    });
    const run = async (sql: string, database = "postgres") => {
      await using session = await openScratchSession(server, database);
      return await session.query(sql);
    };
    const propertiesOf = async (name: string) =>
      (
        await run(`SELECT to_jsonb(d) - 'oid' - 'datname' - 'datfrozenxid' - 'datminmxid' AS d
          FROM pg_catalog.pg_database AS d WHERE datname = '${name}'`)
      )[0];

    test("refuses the backup of another product", async () => {
      const plan = await planOf("postgres");
      const facts = { ...plan.facts, flavour: "mariadb" as const, version: "10.11.8" };
      const engine = scratchEngine(server, "foreign");
      await assert.rejects(engine.prepareTarget({ ...plan, facts }, { create: true, signal }), {
        code: "engine-unsupported",
        message: new RegExp(`of mariadb 10.11.8 into postgres ${major}`),
      });
      assert.equal(await propertiesOf("foreign"), undefined);
    });

    test("creates a database with the source's encoding and locale, and undoes just that", async () => {
      const sources = [
        ["like_c", "ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'"],
        ...(major === 15 ? [["like_icu", "LOCALE_PROVIDER icu ICU_LOCALE 'de-DE'"]] : []),
        ...(major >= 17
          ? [["like_builtin", "LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'"]]
          : []),
      ];
      const name = 'new "one" é';
      for (const [source = "", options] of sources) {
        await run(`CREATE DATABASE ${source} TEMPLATE template0 ${options}`);
        const engine = scratchEngine(server, encodeURIComponent(name));
        const plan = await planOf(source);
        const target = await engine.prepareTarget(plan, { create: true, signal });
        assert.deepEqual(await propertiesOf('new "one" é'), await propertiesOf(source));
        await assert.rejects(engine.prepareTarget(plan, { create: true, signal }), {
          code: "target-exists",
        });
        await target.undo({ signal });
        assert.equal(await propertiesOf('new "one" é'), undefined);
        await target.undo({ signal });
      }
    });

    test("undo() drops a database that is still in use, but not another of its name", async () => {
      const engine = scratchEngine(server, "reborn");
      const target = await engine.prepareTarget(await planOf("postgres"), { create: true, signal });
      const user = await openScratchSession(server, "reborn");
      await target.undo({ signal });
      await user[Symbol.asyncDispose]();
      await run("CREATE DATABASE reborn");
      await target.undo({ signal });
      assert.ok(await propertiesOf("reborn"));
    });

    test("leaves no database behind when it is aborted at any moment", async () => {
      const plan = await planOf("postgres");
      const engine = scratchEngine(server, "aborted");
      let created = 0;
      for (let delayMs = 0; delayMs < 200; delayMs += delayMs < 20 ? 4 : 20) {
        const aborting = AbortSignal.timeout(delayMs);
        const prepared = await engine
          .prepareTarget(plan, { create: true, signal: aborting })
          .catch((error: unknown) => assert.equal(error, aborting.reason));
        if (prepared === undefined) assert.equal(await propertiesOf("aborted"), undefined);
        else created++;
        await prepared?.undo({ signal });
      }
      assert.ok(created < 14, "nothing was aborted");
    });

    test("drops the database when the server's answer to its creation is lost", async () => {
      await using proxy = await startProxy(server, "CREATE DATABASE");
      const target = parsePostgresTarget(`postgres://postgres@127.0.0.1:${proxy.port}/lost`);
      const engine = createPostgresEngine({ target, password: undefined });
      const plan = await planOf("postgres");
      const preparing = engine.prepareTarget(plan, { create: true, signal });
      await assert.rejects(preparing, { code: "engine-unreachable" });
      assert.equal(proxy.lost(), 1);
      assert.equal(await propertiesOf("lost"), undefined);
    });

    test("takes an empty database as it is and never drops it", async () => {
      await run("CREATE DATABASE ready");
      const engine = scratchEngine(server, "ready");
      const target = await engine.prepareTarget(await planOf("postgres"), {
        create: false,
        signal,
      });
      await target.undo({ signal });
      assert.ok(await propertiesOf("ready"));
    });

    for (const [what, sql] of [
      ["relation public.t", "CREATE TABLE public.t (id int)"],
      ["routine public.f()", "CREATE FUNCTION public.f() RETURNS int LANGUAGE sql AS 'SELECT 1'"],
      ["type public.e", "CREATE TYPE public.e AS ENUM ()"],
      ["schema s", "CREATE SCHEMA s"],
      ["large object 4711", "SELECT lo_create(4711)"],
      ["extension pg_trgm", "CREATE EXTENSION pg_trgm SCHEMA public"],
    ] as const)
      test(`refuses a database that holds ${what}`, async () => {
        const name = `holds_${what.replaceAll(/\W/g, "_")}`;
        await run(`CREATE DATABASE ${name}`);
        await run(sql, name);
        const preparing = scratchEngine(server, name).prepareTarget(await planOf("postgres"), {
          create: false,
          signal,
        });
        const [kind] = what.split(" ");
        const message =
          kind === "extension"
            ? /holds .*…/
            : new RegExp(`holds .*${what.replace("()", "\\(\\)")}`);
        await assert.rejects(preparing, { code: "target-not-empty", message });
      });

    test("names a database that is not there", async () => {
      const engine = scratchEngine(server, "nowhere");
      const preparing = engine.prepareTarget(await planOf("postgres"), { create: false, signal });
      await assert.rejects(preparing, { code: "database-unknown" });
    });

    test("names all that the server lacks, and creates nothing", async () => {
      const requires = [
        { kind: "role", name: "postgres" },
        { kind: "role", name: "nobody here" },
        { kind: "extension", name: "plpgsql 1.0" },
        { kind: "extension", name: "postgis 3.3.2" },
        { kind: "collation", name: "C" },
        { kind: "collation", name: "xx_XX" },
        { kind: "tablespace", name: "fast" },
      ];
      const plan = await planOf("postgres", { ...empty, requires } as typeof empty);
      const preparing = scratchEngine(server, "lacking").prepareTarget(plan, {
        create: true,
        signal,
      });
      await assert.rejects(preparing, {
        code: "engine-refused",
        message:
          /lacks role nobody here, extension postgis 3\.3\.2, collation xx_XX, tablespace fast$/,
      });
      assert.equal(await propertiesOf("lacking"), undefined);
    });

    test("probe() tells who the server is", async () => {
      const facts = await scratchEngine(server, "postgres").probe({ signal });
      assert.match(facts.instance, /^[0-9]{15,}$/);
      assert.ok(facts.version.startsWith(String(major)));
      assert.deepEqual([facts.flavour, facts.database], ["postgres", "postgres"]);
      const { encoding, collate, role } = facts.settings;
      assert.deepEqual([encoding, collate, role], ["UTF8", "C", "primary"]);
    });
  });

/** Passes everything on, but cuts a connection when the server has answered a given statement. */
async function startProxy(server: PostgresServer, statement: string) {
  let lost = 0;
  const proxy = createServer((client) => {
    const inner = connect(`${server.socketFolder}/.s.PGSQL.${server.port}`);
    let isLast = false;
    client.on("data", (bytes) => {
      isLast ||= bytes.includes(statement);
      inner.write(bytes);
    });
    inner.on("data", (bytes) => {
      if (!isLast) return client.write(bytes);
      lost++;
      return client.destroy();
    });
    client.on("close", () => inner.destroy()).on("error", () => undefined);
    inner.on("close", () => client.destroy()).on("error", () => undefined);
  }).listen(0, "127.0.0.1");
  await once(proxy, "listening");
  return {
    port: (proxy.address() as AddressInfo).port,
    lost: () => lost,
    async [Symbol.asyncDispose]() {
      proxy.close();
      await once(proxy, "close");
    },
  };
}
