import type { Catalog } from "./catalog.ts";
import { definition, readRows } from "./catalog-rows.ts";
import { type Draft, type DraftList, ranks } from "./draft.ts";
import { sequenceOptions } from "./objects-columns.ts";
import { quoteLiteral } from "./quote.ts";

interface Sequence {
  key: string;
  name: string;
  type: string;
  options: string;
  unlogged: boolean;
  /** Of an identity column, which creates it. */
  internal: boolean;
  ownedBy: string | null;
  ownerTable: string | null;
}

/** Sequences, and where each stands: that is not part of any snapshot, so it is read after it. */
export async function listSequences(catalog: Catalog): Promise<DraftList> {
  const all = await readRows<Sequence>(
    catalog.session,
    `SELECT 'pg_class:' || c.oid AS key, format('%I.%I', n.nspname, c.relname) AS name,
      format_type(s.seqtypid, NULL) AS type, ${sequenceOptions} AS options,
      c.relpersistence = 'u' AS unlogged, coalesce(d.deptype = 'i', false) AS internal,
      CASE WHEN a.attname IS NOT NULL THEN format('%I.%I.%I', tn.nspname, t.relname, a.attname) END
        AS "ownedBy", 'pg_class:' || t.oid AS "ownerTable"
    FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid
      JOIN pg_namespace n ON n.oid = c.relnamespace
      LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid
        AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
      LEFT JOIN pg_class t ON t.oid = d.refobjid
      LEFT JOIN pg_namespace tn ON tn.oid = t.relnamespace
      LEFT JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid`,
  );
  const own = all.filter(({ key }) => catalog.own.has(key));
  const states = await readStates(catalog, own);
  return {
    drafts: [
      ...own.filter(({ internal }) => !internal).map(sequenceDraft),
      ...own.map((sequence) => positionDraft(sequence, states.get(sequence.key))),
    ],
  };
}

function sequenceDraft(sequence: Sequence): Draft {
  const { key, name, type, options, unlogged, ownedBy } = sequence;
  const create = `CREATE ${unlogged ? "UNLOGGED " : ""}SEQUENCE ${name} AS ${type} ${options}`;
  const owned = ownedBy === null ? [] : [`ALTER SEQUENCE ${name} OWNED BY ${ownedBy}`];
  return {
    kind: "sequence",
    name,
    section: "pre-data",
    statements: [create, ...owned],
    rows: [key],
  };
}

interface State {
  key: string;
  value: string;
  called: boolean;
}

async function readStates(catalog: Catalog, own: Sequence[]): Promise<Map<string, State>> {
  const states = new Map<string, State>();
  const atOnce = 200;
  for (let at = 0; at < own.length; at += atOnce) {
    const selects = own.slice(at, at + atOnce).map(
      ({ key, name }) =>
        `SELECT ${quoteLiteral(key)} AS key, last_value::text AS value, is_called AS called
          FROM ${name}`,
    );
    const rows = await readRows<State>(catalog.session, selects.join(" UNION ALL "));
    for (const row of rows) states.set(row.key, row);
  }
  return states;
}

function positionDraft({ key, name }: Sequence, state: State | undefined): Draft {
  const value = definition(state?.value, name);
  return {
    kind: "sequence position",
    name,
    section: "post-data",
    statements: [`SELECT pg_catalog.setval(${quoteLiteral(name)}, ${value}, ${state?.called})`],
    rows: [],
    needs: [key],
    rank: ranks.position,
    attribute: true,
  };
}
