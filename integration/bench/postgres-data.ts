import { psql } from "../fixtures/psql.ts";
import type { PostgresServer } from "../fixtures/postgres-server.ts";

export type DataKind = "mixed" | "narrow" | "wide" | "bytea";

/** Fills a database with about that many MB of table data, with keys and indexes. */
export async function fillPostgres(
  server: PostgresServer,
  kind: DataKind,
  megabytes: number,
): Promise<void> {
  const parts: DataKind[] = kind === "mixed" ? ["narrow", "wide", "bytea"] : [kind];
  for (const part of parts) {
    await psql(server, kind, tables[part](megabytes / parts.length));
  }
  await psql(server, kind, "vacuum analyze");
}

/** Rows per MB are what the heap holds, so sizes are of tables without their indexes. */
const tables: Record<Exclude<DataKind, "mixed">, (megabytes: number) => string> & {
  mixed: (megabytes: number) => string;
} = {
  mixed: () => "",
  narrow: (megabytes) => `
    create table narrow (id bigint, a int, b int, c double precision, d timestamptz);
    insert into narrow select n, n % 1000, (n::bigint * 7919) % 100003, sqrt(n), timestamptz '2026-01-01' + n * interval '1 s'
      from generate_series(1, ${Math.round(megabytes * 14_500)}) n;
    alter table narrow add primary key (id);
    create index on narrow (b)`,
  wide: (megabytes) => `
    create table wide (id bigint, code uuid, name text, note text, price numeric(12,2), tags text[], doc jsonb, at timestamptz, flag boolean);
    insert into wide select n, md5(n::text)::uuid, 'customer ' || n, repeat(md5((n * 3)::text) || ' ', 1 + n % 5),
        (n % 100000) / 100.0, array['tag' || n % 7, 'tag' || n % 11], jsonb_build_object('id', n, 'kind', n % 5, 'hash', md5((n + 1)::text)),
        timestamptz '2026-01-01' + n * interval '1 s', n % 3 = 0
      from generate_series(1, ${Math.round(megabytes * 2_900)}) n;
    alter table wide add primary key (id);
    create index on wide (code);
    create index on wide (at)`,
  bytea: (megabytes) => `
    create table large (id bigint primary key, body bytea);
    alter table large alter body set storage external;
    insert into large select n, decode(string_agg(md5((n::bigint * 100000 + m)::text), ''), 'hex')
      from generate_series(1, ${Math.max(1, Math.round(megabytes * 3.8))}) n, generate_series(1, 16384) m group by n`,
};
