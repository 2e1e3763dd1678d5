import type { Catalog } from "./catalog.ts";
import { readRows } from "./catalog-rows.ts";
import { type DraftList, ranks, requireRole } from "./draft.ts";

/** Catalogs of objects that have an owner, and the column that names it. */
const ownerColumns: Record<string, string> = {
  pg_class: "relowner",
  pg_collation: "collowner",
  pg_conversion: "conowner",
  pg_event_trigger: "evtowner",
  pg_foreign_data_wrapper: "fdwowner",
  pg_foreign_server: "srvowner",
  pg_language: "lanowner",
  pg_namespace: "nspowner",
  pg_opclass: "opcowner",
  pg_operator: "oprowner",
  pg_opfamily: "opfowner",
  pg_proc: "proowner",
  pg_publication: "pubowner",
  pg_statistic_ext: "stxowner",
  pg_subscription: "subowner",
  pg_ts_config: "cfgowner",
  pg_ts_dict: "dictowner",
  pg_type: "typowner",
};

/** The word of ALTER and COMMENT for what `pg_identify_object` calls a thing. */
export const alterWords: Record<string, string> = {
  aggregate: "AGGREGATE",
  collation: "COLLATION",
  conversion: "CONVERSION",
  "event trigger": "EVENT TRIGGER",
  "foreign table": "FOREIGN TABLE",
  "foreign-data wrapper": "FOREIGN DATA WRAPPER",
  function: "FUNCTION",
  language: "LANGUAGE",
  "materialized view": "MATERIALIZED VIEW",
  operator: "OPERATOR",
  "operator class": "OPERATOR CLASS",
  "operator family": "OPERATOR FAMILY",
  procedure: "PROCEDURE",
  publication: "PUBLICATION",
  schema: "SCHEMA",
  sequence: "SEQUENCE",
  server: "SERVER",
  "statistics object": "STATISTICS",
  subscription: "SUBSCRIPTION",
  table: "TABLE",
  "text search configuration": "TEXT SEARCH CONFIGURATION",
  "text search dictionary": "TEXT SEARCH DICTIONARY",
  type: "TYPE",
  view: "VIEW",
};

/** What is itself made late; its owner must not pull it forward. */
const lateRanks: Record<string, number> = {
  "event trigger": ranks.eventTrigger,
  publication: ranks.publication,
  subscription: ranks.publication,
};

/** Who owns what. Sequences of a column and row types have the owner of their table. */
export async function listOwners(catalog: Catalog): Promise<DraftList> {
  // An operator that is only named by another one has an owner, but no statement finds it.
  const selects = Object.entries(ownerColumns).map(
    ([name, column]) =>
      `SELECT '${name}:' || oid AS key, ${column} AS owner FROM ${name}
        ${name === "pg_operator" ? "WHERE oprcode <> 0" : ""}`,
  );
  const rows = await readRows<{ key: string; role: string }>(
    catalog.session,
    `SELECT key, quote_ident(r.rolname) AS role FROM (${selects.join(" UNION ALL ")}) o
      JOIN pg_roles r ON r.oid = o.owner`,
  );
  const list: Required<DraftList> = { drafts: [], unsupported: [], requires: [] };
  const owned = findOwnedSequences(catalog);
  for (const { key, role } of rows) {
    const object = catalog.own.get(key);
    const word = object === undefined ? undefined : alterWords[object.type];
    if (object === undefined || word === undefined) continue;
    if (catalog.parts.has(key) || owned.has(key)) continue;
    const { type, identity, target } = object;
    list.drafts.push({
      kind: `owner of ${type}`,
      name: identity,
      section: "post-data",
      statements: [`ALTER ${word} ${target} OWNER TO ${role}`],
      rows: [],
      needs: [key],
      rank: lateRanks[type] ?? ranks.owner,
      attribute: true,
    });
    list.requires.push(requireRole(role));
  }
  return list;
}

/** Sequences that a column owns change their owner together with its table. */
function findOwnedSequences({ dependencies, all }: Catalog): Set<string> {
  const owned = dependencies.filter(
    ({ from, to, type }) =>
      type === "a" && to.startsWith("pg_class:") && all.get(from)?.type === "sequence",
  );
  return new Set(owned.map(({ from }) => from));
}
