import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { mariadb } from "../fixtures/mariadb-client.ts";
import type { MariadbDatabase, MariadbServer } from "../fixtures/mariadb-server.ts";
import type { PostgresDatabase, PostgresServer } from "../fixtures/postgres-server.ts";
import { psql } from "../fixtures/psql.ts";

const execute = promisify(execFile);

/** The databases that the golden repository holds: every kind of value, in few bytes. */
export const postgresScript = String.raw`
create schema shop;
create type shop.mood as enum ('sad', 'Größe', 'tab	and "quote"');
create table kinds (
  id int primary key, t text, v varchar(20), n numeric(30, 10), free numeric, b bytea, ints int[],
  grid text[][], at timestamptz, local timestamp, day date, span interval, yes bool, small float4,
  big float8, id128 uuid, doc jsonb, address inet, years int4range, bits varbit, c char(5));
insert into kinds values
  (1, 'plain', 'short', 1.5, 'NaN', '\x00ff0a5c', '{1,NULL,3}', '{{a,b},{"c d","NULL"}}',
   '2026-11-20 10:00:00.123456+01', '1999-12-31 23:59:59', 'infinity', '1 mon -2 days 03:04:05.6',
   true, 0.1, 1e308, '00112233-4455-6677-8899-aabbccddeeff', '{"a": [1, null, "ü"]}',
   '2001:db8::/32', '[1,5)', B'10110', 'ab'),
  (2, '', '', 0, -0.000000000000000000001, '', '{}', '{}', '-infinity', '4713-01-01 00:00:00 BC',
   '2000-02-29', '0', false, '-0', 'NaN', null, 'null', '10.0.0.1', 'empty', '', ''),
  (3, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null,
   null, null, null, null, null),
  (4, E'tab\t line\n back\\slash \u20ac 漢字 🎉', 'naïve', -12345678901234567890.0123456789,
   123456789012345678901234567890, '\xdeadbeef', '[0:1]={7,8}', null, 'epoch', 'infinity',
   '-infinity', '-178000000 years', null, 'Infinity', '-Infinity', null, '{"k": {}}',
   '192.168.0.0/16', '(,)', B'', 'é');
create table shop."a/b Größen" (n int generated always as identity, m shop.mood, t text,
  twice int generated always as (2) stored);
insert into shop."a/b Größen" (m, t) values
  ('sad', E'tab\tnew\nline\rback\\ \\N'), ('Größe', ''), (null, null), ('tab	and "quote"', '\.');
create table nothing (n int, t text);
create table no_columns ();
insert into no_columns select from generate_series(1, 3);
create table large (id int, t text);
insert into large values (1, 'before'), (2, repeat('golden ', 200000)), (3, 'after');
create table random (id int, noise bytea);
insert into random select n, decode(string_agg(md5(n || '-' || i), ''), 'hex')
  from generate_series(1, 8) n, generate_series(1, 128) i group by n order by n;
create table readings (at date, sensor int, value float8) partition by range (at);
create table readings_old partition of readings for values from (minvalue) to ('2026-07-01');
create table readings_new partition of readings for values from ('2026-07-01') to (maxvalue);
insert into readings
  select date '2026-01-01' + n % 365, 1 + n % 4, n / 3.0 from generate_series(1, 2000) n;
create index on readings (sensor, at);
alter table readings add foreign key (sensor) references kinds (id);
create view shop.totals as select sensor, count(*) from readings group by sensor;
create function shop.double(n int) returns int language sql as 'select 2 * n';
comment on table kinds is 'every kind of value';
`;

/** What comes between the first backup and the second one; all other tables stay as they are. */
export const postgresChange = "insert into kinds (id, t) values (5, 'later')";

/** A large object: what a backup can only leave out. */
export const postgresUnsupported = "select lo_create(4711)";

export const mariadbScript = String.raw`
create table kinds (
  id int primary key, b1 bit(1), b20 bit(20), d decimal(65, 30), f float, g double, y year,
  day date, at datetime(6), stamp timestamp(3) null, span time(2), c char(5), v varchar(50),
  old varchar(20) character set latin1, wide varchar(20) character set utf16, raw varbinary(20),
  fixed binary(4), pic blob, e enum('', 'sad', 'größer'), s set('a', 'b', 'c'), j json, u uuid,
  ip inet6, p point, big bigint unsigned) character set utf8mb4;
set sql_mode = 'ALLOW_INVALID_DATES';
insert into kinds values
  (1, b'1', b'10110000111100001111', 12345678901234567890123456789012345.123456789012345678901234567890,
   0.1, 1.7976931348623157e308, 1901, '2026-02-31', '9999-12-31 23:59:59.999999',
   '2026-11-20 10:00:00.123', '-838:59:59.99', 'ab', 'tab\t line\n back\\ nul\0 € 🎉', 'naïve',
   '漢字', x'00ff0a5c09', x'01', x'deadbeef00', 'größer', 'a,c', '{"a": [1, null]}',
   '00112233-4455-6677-8899-aabbccddeeff', '2001:db8::1', point(1, -2.5), 18446744073709551615),
  (2, b'0', b'0', 0, -0.0, 0, 0, '0000-00-00', '0000-00-00', '0000-00-00 00:00:00', '0', '', '',
   '', '', '', '', '', '', '', '[]', '00000000-0000-0000-0000-000000000000', '::',
   point(0, 0), 0),
  (3, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null,
   null, null, null, null, null, null, null, null, null),
  (4, null, null, -0.000000000000000000000000000001, 3.4028235e38, 5e-324, 2155, '2026-00-00',
   null, null, null, 'é', repeat('x', 50), null, null, null, null, repeat('y', 300), 'no label',
   null, null, null, null, null, null);
create table nothing (n int);
create table noise (id int primary key, t longtext);
insert into noise values (1, repeat('golden ', 10000)), (2, ''), (3, null);
create table child (id int auto_increment primary key, kind int references kinds (id));
insert into child (kind) values (1), (1), (4);
create table versions (id int primary key, n int) with system versioning;
insert into versions values (1, 1), (2, 1);
update versions set n = 2 where id = 1;
delete from versions where id = 2;
create view labels as select id, e from kinds;
create trigger checked before insert on child for each row set new.kind = coalesce(new.kind, 1);
`;

/** SHA-256 of each file of a table, by the file's name. */
export type Hashes = Record<string, string>;

const utc = { PGTZ: "UTC", PGDATESTYLE: "ISO" };

/** What the server itself gives for each table of the PostgreSQL database. */
export async function hashPostgresTables(database: PostgresDatabase): Promise<Hashes> {
  const binary = ["kinds", "nothing", "no_columns", "large", "random"];
  const parts = ["readings_old", "readings_new"];
  const hashes: Hashes = {};
  for (const name of [...binary, ...parts]) {
    const copy = `copy (select * from only ${name}) to stdout (format binary)`;
    hashes[`public.${name}.copy.bin`] = await hashCopy(database, copy);
  }
  const copy = `copy (select n, m, t from shop."a/b Größen") to stdout`;
  hashes["shop.a%2Fb%20Gr%C3%B6%C3%9Fen.copy.txt"] = await hashCopy(database, copy);
  return hashes;
}

async function hashCopy({ server, database }: PostgresDatabase, copy: string): Promise<string> {
  const where = ["-h", server.socketFolder, "-p", String(server.port), "-U", "postgres"];
  const { stdout } = await execute("psql", [...where, "-d", database, "-X", "-q", "-c", copy], {
    encoding: "buffer",
    env: { ...process.env, ...utc },
    maxBuffer: 1 << 28,
  });
  return sha256(stdout);
}

/** Expressions that give the bytes of docs/format.md; of BIT, OUTFILE would escape nothing. */
const mariadbQueries = {
  kinds: `select id, concat(b1), concat(b20), d, f * 1e0, g, y, day, at, stamp, span, c, v, old,
    wide, raw, fixed, pic, if(e = 0, '0', e), s, j, cast(u as char), cast(ip as char), p, big
    from kinds order by id`,
  nothing: "select n from nothing",
  noise: "select id, t from noise order by id",
  child: "select id, kind from child order by id",
  versions: `select id, n, row_start, row_end from versions for system_time all
    order by id, row_end`,
};

/** What the server itself gives for each table of the MariaDB database, all versions of its rows. */
export async function hashMariadbTables({ server, database }: MariadbDatabase): Promise<Hashes> {
  const hashes: Hashes = {};
  for (const [name, query] of Object.entries(mariadbQueries)) {
    const file = join(dirname(server.socket), `${name}.txt`);
    const select = `${query} into outfile '${file}' character set binary`;
    await mariadb(server, database, `set time_zone = '+00:00'; ${select}`);
    hashes[`${originalDatabase.mariadb}.${name}.load.txt`] = sha256(await readFile(file));
    await rm(file);
  }
  return hashes;
}

/** Names of the databases that were backed up. */
export const originalDatabase = { postgres: "shop", mariadb: "ledger" };

export async function makePostgresDatabase(server: PostgresServer): Promise<PostgresDatabase> {
  const database = originalDatabase.postgres;
  await psql(server, "postgres", `create database ${database}`);
  await psql(server, database, postgresScript);
  return { server, database };
}

export async function makeMariadbDatabase(server: MariadbServer): Promise<MariadbDatabase> {
  const database = originalDatabase.mariadb;
  await mariadb(server, "", `create database ${database} character set utf8mb4`);
  await mariadb(server, database, `set names utf8mb4; set time_zone = '+00:00'; ${mariadbScript}`);
  return { server, database };
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
