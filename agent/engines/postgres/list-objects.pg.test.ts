import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import {
  type PostgresServer,
  startPostgres,
} from "../../../integration/fixtures/postgres-server.ts";
import { listObjects } from "./list-objects.ts";
import { schemaScripts } from "./schema-scripts.ts";
import { copySchema, listSchema, openDatabase } from "./schema-contract.ts";

for (const major of [15, 17])
  describe(`listObjects() with PostgreSQL ${major}`, () => {
    let server: PostgresServer;
    let databases = 0;
    before(async () => {
      server = await startPostgres(major);
      await using session = await openDatabase(server, "postgres");
      await session.query(`CREATE ROLE "Role ""1"; CREATE ROLE reader; CREATE ROLE third;
        CREATE ROLE fourth; CREATE ROLE watcher IN ROLE pg_read_all_data`);
    });
    after(() => server[Symbol.asyncDispose]());

    test("finds nothing in an empty database but what may be missing there", async () => {
      await using session = await openDatabase(server, "postgres");
      const { objects, unsupported } = await listObjects(session);
      const names = objects.map(({ kind, name }) => `${kind} ${name}`);
      assert.deepEqual(names, [
        "extension plpgsql",
        "schema public",
        "owner of schema public",
        "grant schema public",
        "comment schema public",
      ]);
      assert.deepEqual(unsupported, []);
    });

    for (const [title, script] of Object.entries(schemaScripts))
      test(`recreates ${title}`, async () => {
        const { source, copy, sourceDump, copyDump } = await copySchema(server, script);
        const names = source.objects.map(({ kind, name, section }) => [kind, name, section].join());
        assert.equal(new Set(names).size, names.length);
        assert.deepEqual(source.unsupported, []);
        assert.deepEqual(copy, source);
        assert.equal(copyDump, sourceDump);
      });

    test("names rows that users put into the tables of an extension", async () => {
      const source = await listNew(`CREATE EXTENSION hstore SCHEMA public;
        CREATE TABLE public.settings (a int, b text); CREATE SEQUENCE public.numbers;
        ALTER EXTENSION hstore ADD TABLE public.settings;
        ALTER EXTENSION hstore ADD SEQUENCE public.numbers;
        UPDATE pg_extension SET extcondition = ARRAY['WHERE a > 1', ''],
          extconfig = ARRAY['public.settings'::regclass, 'public.numbers'] WHERE extname = 'hstore';
        INSERT INTO public.settings VALUES (1)`);
      assert.deepEqual(source.unsupported, []);
      const after = await listNew("INSERT INTO public.settings VALUES (2)", source.database);
      assert.deepEqual(
        after.unsupported.map(({ kind, name }) => `${kind} ${name}`),
        ["rows of extension table public.settings"],
      );
    });

    test("finds what users hung on a table of an extension", async () => {
      const { objects } = await listNew(`CREATE EXTENSION hstore SCHEMA public;
        CREATE TABLE public.members (a int PRIMARY KEY, b text DEFAULT 'x');
        ALTER EXTENSION hstore ADD TABLE public.members;
        CREATE FUNCTION public.act() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN END';
        CREATE FUNCTION public.f(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
        CREATE TRIGGER ours AFTER INSERT ON public.members EXECUTE FUNCTION public.act();
        CREATE INDEX ours ON public.members (public.f(a));
        CREATE POLICY ours ON public.members USING (true);
        CREATE PUBLICATION ours FOR TABLE public.members;
        GRANT SELECT ON public.members TO reader`);
      const names = objects.map(({ kind, name }) => `${kind} ${name}`);
      assert.deepEqual(
        names.filter((name) => /members|ours/.test(name) && !name.startsWith("owner")),
        [
          "index public.ours",
          "grant table public.members",
          "policy ours on public.members",
          "trigger ours on public.members",
          "publication ours",
        ],
      );
    });

    test("gives a role that may only read the same list", async () => {
      const script = `CREATE TABLE public.t (id serial); CREATE FOREIGN DATA WRAPPER w;
        CREATE SERVER s FOREIGN DATA WRAPPER w;`;
      const all = await listNew(script);
      const some = await listNew("SET ROLE watcher", all.database);
      assert.deepEqual(some.objects, all.objects);
      const secret = `CREATE USER MAPPING FOR reader SERVER s OPTIONS (password 'x');
        CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p
          WITH (connect = false, slot_name = NONE); SET ROLE watcher`;
      const { unsupported } = await listNew(secret, all.database);
      assert.deepEqual(
        unsupported.map(({ kind, name }) => `${kind} ${name}`),
        ["subscription s", "user mapping reader on server s"],
      );
    });

    async function listNew(script: string, database = `listed_${++databases}`) {
      await using admin = await openDatabase(server, "postgres");
      const found = await admin.query(`SELECT FROM pg_database WHERE datname = '${database}'`);
      if (found.length === 0) await admin.query(`CREATE DATABASE ${database} TEMPLATE template0`);
      return { database, ...(await listSchema(server, database, script)) };
    }
  });
