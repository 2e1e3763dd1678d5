import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import {
  type PostgresServer,
  startPostgres,
} from "../../../integration/fixtures/postgres-server.ts";
import type { ObjectList } from "../engine.ts";
import { listSchema, openDatabase } from "./schema-contract.ts";

/** One object of every kind that has an oid: by its kind, how it is made. */
const kinds: Record<string, string> = {
  "schema s": "CREATE SCHEMA s",
  "enum s.enum": "CREATE TYPE s.enum AS ENUM ('a')",
  "composite type s.composite": "CREATE TYPE s.composite AS (a int)",
  "range type s.range": "CREATE TYPE s.range AS RANGE (SUBTYPE = int)",
  "domain s.domain": "CREATE DOMAIN s.domain AS int CHECK (VALUE > 0)",
  "domain constraint late on s.domain":
    "ALTER DOMAIN s.domain ADD CONSTRAINT late CHECK (VALUE > 1) NOT VALID",
  "shell type s.shell": "CREATE TYPE s.shell",
  "base type s.base": `CREATE TYPE s.base;
    CREATE FUNCTION s.base_in(cstring) RETURNS s.base LANGUAGE internal AS 'int4in' IMMUTABLE STRICT;
    CREATE FUNCTION s.base_out(s.base) RETURNS cstring LANGUAGE internal AS 'int4out' IMMUTABLE STRICT;
    CREATE TYPE s.base (INPUT = s.base_in, OUTPUT = s.base_out, LIKE = int)`,
  "function s.base_in(pg_catalog.cstring)": "",
  "table s.needs_base": "CREATE TABLE s.needs_base (b s.base)",
  "function s.function(integer)":
    "CREATE FUNCTION s.function(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1'",
  "procedure s.procedure()": "CREATE PROCEDURE s.procedure() LANGUAGE sql AS ''",
  "aggregate s.aggregate(integer)":
    "CREATE AGGREGATE s.aggregate(int) (SFUNC = int4larger, STYPE = int)",
  "table s.t": "CREATE TABLE s.t (id int, a int DEFAULT 1, e s.enum)",
  "default s.t.a": "",
  "sequence s.seq": "CREATE SEQUENCE s.seq",
  "sequence position s.seq": "",
  "table s.partitioned": "CREATE TABLE s.partitioned (a int) PARTITION BY LIST (a)",
  "table s.partition": "CREATE TABLE s.partition PARTITION OF s.partitioned DEFAULT",
  "index s.idx": "CREATE INDEX idx ON s.t (a)",
  "index s.partitioned_idx": "CREATE INDEX partitioned_idx ON s.partitioned (a)",
  "index s.partition_a_idx": "",
  "index attachment s.partition_a_idx": "",
  "primary key pk on s.t": "ALTER TABLE s.t ADD CONSTRAINT pk PRIMARY KEY (id)",
  "unique constraint uq on s.t": "ALTER TABLE s.t ADD CONSTRAINT uq UNIQUE (a)",
  "check constraint ck on s.t": "ALTER TABLE s.t ADD CONSTRAINT ck CHECK (a > 0)",
  "foreign key fk on s.t": "ALTER TABLE s.t ADD CONSTRAINT fk FOREIGN KEY (a) REFERENCES s.t",
  "exclusion constraint ex on s.t": "ALTER TABLE s.t ADD CONSTRAINT ex EXCLUDE (a WITH =)",
  "view s.view": "CREATE VIEW s.view AS SELECT 1 AS x",
  "materialized view s.mat": "CREATE MATERIALIZED VIEW s.mat AS SELECT 1 AS x",
  "materialized view data s.mat": "",
  "rule rule on s.view": "CREATE RULE rule AS ON INSERT TO s.view DO INSTEAD NOTHING",
  "function s.trigger()":
    "CREATE FUNCTION s.trigger() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN END'",
  "trigger tg on s.t": "CREATE TRIGGER tg AFTER INSERT ON s.t EXECUTE FUNCTION s.trigger()",
  "policy pol on s.t": "CREATE POLICY pol ON s.t USING (true)",
  "row security s.t": "ALTER TABLE s.t ENABLE ROW LEVEL SECURITY",
  "statistics object s.stat": "CREATE STATISTICS s.stat ON id, a FROM s.t",
  "collation s.coll": `CREATE COLLATION s.coll FROM "C"`,
  "conversion s.conv": "CREATE CONVERSION s.conv FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8",
  "operator s.@@@(integer,integer)":
    "CREATE OPERATOR s.@@@ (FUNCTION = int4larger, LEFTARG = int, RIGHTARG = int)",
  "operator family s.family USING btree": "CREATE OPERATOR FAMILY s.family USING btree",
  "operator class s.class USING btree": `CREATE OPERATOR CLASS s.class FOR TYPE int USING btree
    FAMILY s.family AS FUNCTION 1 btint4cmp(int, int)`,
  "operator family member FUNCTION 1 (integer, bigint) btint48cmp(integer,bigint) of s.family USING btree":
    "ALTER OPERATOR FAMILY s.family USING btree ADD FUNCTION 1 (int, int8) btint48cmp(int, int8)",
  "cast (s.enum AS integer)": "CREATE CAST (s.enum AS int) WITH INOUT",
  "transform for integer language sql":
    "CREATE TRANSFORM FOR int LANGUAGE sql (FROM SQL WITH FUNCTION prsd_lextype(internal))",
  "language own": "CREATE LANGUAGE own HANDLER plpgsql_call_handler",
  "access method am": "CREATE ACCESS METHOD am TYPE TABLE HANDLER heap_tableam_handler",
  "text search parser s.parser": `CREATE TEXT SEARCH PARSER s.parser (START = prsd_start,
    GETTOKEN = prsd_nexttoken, END = prsd_end, LEXTYPES = prsd_lextype)`,
  "text search template s.template":
    "CREATE TEXT SEARCH TEMPLATE s.template (LEXIZE = dsimple_lexize)",
  "text search dictionary s.dict": "CREATE TEXT SEARCH DICTIONARY s.dict (TEMPLATE = s.template)",
  "text search configuration s.conf": "CREATE TEXT SEARCH CONFIGURATION s.conf (PARSER = s.parser)",
  "foreign-data wrapper fdw": "CREATE FOREIGN DATA WRAPPER fdw",
  "server srv": "CREATE SERVER srv FOREIGN DATA WRAPPER fdw",
  "user mapping postgres on server srv": "CREATE USER MAPPING FOR postgres SERVER srv",
  'foreign table s."foreign"': "CREATE FOREIGN TABLE s.foreign (a int) SERVER srv",
  "foreign table s.foreign_part":
    "CREATE FOREIGN TABLE s.foreign_part PARTITION OF s.partitioned FOR VALUES IN (7) SERVER srv",
  "view s.over": "CREATE VIEW s.over AS SELECT * FROM s.foreign_part",
  "publication pub": "CREATE PUBLICATION pub FOR TABLE s.t",
  "subscription sub": "CREATE SUBSCRIPTION sub CONNECTION '' PUBLICATION p WITH (connect = false)",
  "function s.event()":
    "CREATE FUNCTION s.event() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'",
  "event trigger evt": "CREATE EVENT TRIGGER evt ON ddl_command_end EXECUTE FUNCTION s.event()",
  "extension hstore": "CREATE EXTENSION hstore SCHEMA s",
  "default privileges of postgres in schema s on tables":
    "ALTER DEFAULT PRIVILEGES IN SCHEMA s GRANT SELECT ON TABLES TO PUBLIC",
  "large objects 1, the first is 70000": "SELECT lo_create(70000)",
  "tablespace of table s.elsewhere": "CREATE TABLE s.elsewhere (a int) TABLESPACE extra",
  "tablespace of index s.elsewhere_idx": "CREATE INDEX elsewhere_idx ON s.t (id) TABLESPACE extra",
  "disabled constraint fk on s.t": "ALTER TABLE s.t DISABLE TRIGGER ALL",
  "hash partitions by enum s.hashed": "CREATE TABLE s.hashed (e s.enum) PARTITION BY HASH (e)",
  "grant table s.t": "GRANT SELECT ON s.t TO PUBLIC",
  "comment table s.t": "COMMENT ON TABLE s.t IS 'x'",
  "owner of table s.t": "",
};

for (const major of [15, 17])
  describe(`listObjects() with one object of every kind on PostgreSQL ${major}`, () => {
    let server: PostgresServer;
    let list: ObjectList;
    before(async () => {
      server = await startPostgres(major, { allow_in_place_tablespaces: "on" });
      await using admin = await openDatabase(server, "postgres");
      await admin.query("CREATE TABLESPACE extra LOCATION ''");
      await admin.query("CREATE DATABASE every TEMPLATE template0");
      const temporary = `CREATE TEMP TABLE passing (id serial PRIMARY KEY, t text);
        CREATE TEMP VIEW passing_view AS SELECT * FROM passing;
        CREATE FUNCTION public.passing(passing) RETURNS int LANGUAGE sql AS 'SELECT 1'`;
      const script = [...Object.values(kinds), temporary].join(";\n");
      list = await listSchema(server, "every", script);
    });
    after(() => server[Symbol.asyncDispose]());

    test("leaves none out", () => {
      const found = new Set([...list.objects, ...list.unsupported].map(fullName));
      assert.deepEqual(
        Object.keys(kinds).filter((name) => !found.has(name)),
        [],
      );
    });

    test("names what it cannot recreate as unsupported", () => {
      assert.deepEqual(list.unsupported.map(fullName), [
        "disabled constraint fk on s.t",
        "hash partitions by enum s.hashed",
        "large objects 1, the first is 70000",
        "tablespace of index s.elsewhere_idx",
        "tablespace of table s.elsewhere",
      ]);
      assert.ok(list.unsupported.every(({ remedy }) => remedy !== ""));
    });

    test("leaves out what is temporary", () => {
      const names = list.objects.map(({ name }) => name);
      assert.deepEqual(
        names.filter((name) => name.includes("passing")),
        [],
      );
    });
  });

/** Releases before 16 say `on language`. */
function fullName({ kind, name }: { kind: string; name: string }): string {
  return `${kind} ${name}`.replace(" on language ", " language ");
}
