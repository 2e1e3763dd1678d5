import { hostname } from "node:os";
import type { ServerFacts, Waiting } from "../engine.ts";
import { violation } from "./messages.ts";
import { openSession, type PostgresSession } from "./session.ts";
import type { Access } from "./snapshot.ts";
import { isLocal } from "./target.ts";

/** Who the server is, and what of its database a restore must repeat. */
export async function probe(
  { target, password }: Access,
  { signal }: Waiting,
): Promise<ServerFacts> {
  await using session = await openSession(target, { password, signal });
  const [row] = await session.query(
    `SELECT c.system_identifier AS instance, pg_catalog.current_setting('server_version') AS version
     FROM pg_catalog.pg_control_system() AS c`,
  );
  const instance = row?.["instance"] ?? "";
  if (!/^[0-9]{1,20}$/.test(instance)) throw violation("it does not tell its system identifier");
  return {
    flavour: "postgres",
    version: row?.["version"] ?? session.version,
    instance,
    host: isLocal(target) ? hostname() : target.host,
    database: target.database,
    settings: await readSettings(session),
  };
}

/** Names are the manifest's; a value the server does not know is left out. */
async function readSettings(session: PostgresSession): Promise<Record<string, string>> {
  const { major } = session;
  const provider = major >= 15 ? "d.datlocprovider" : "'c'";
  const locale = major >= 17 ? "d.datlocale" : major >= 15 ? "d.daticulocale" : "NULL";
  const rules = major >= 16 ? "d.daticurules" : "NULL";
  const version = major >= 15 ? "d.datcollversion" : "NULL";
  const [row] = await session.query(
    `SELECT pg_catalog.pg_encoding_to_char(d.encoding) AS encoding,
       d.datcollate AS collate, d.datctype AS ctype,
       CASE ${provider} WHEN 'c' THEN 'libc' WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' END
         AS "localeProvider",
       ${locale} AS locale, ${rules} AS "icuRules", ${version} AS "collationVersion",
       CASE WHEN pg_catalog.pg_is_in_recovery() THEN 'standby' ELSE 'primary' END AS role,
       pg_catalog.current_setting('wal_level') AS "walLevel",
       pg_catalog.current_setting('block_size') AS "blockSize",
       pg_catalog.current_setting('data_checksums') AS "dataChecksums"
     FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database()`,
  );
  const known = Object.entries(row ?? {}).filter(
    (entry): entry is [string, string] => entry[1] !== null,
  );
  return Object.fromEntries(known);
}
