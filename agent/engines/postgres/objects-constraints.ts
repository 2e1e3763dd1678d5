import type { SchemaObject } from "../engine.ts";
import type { Catalog } from "./catalog.ts";
import { definition, optionList, readRows } from "./catalog-rows.ts";
import { type Draft, type DraftList, ranks } from "./draft.ts";

interface Constraint {
  key: string;
  name: string;
  type: string;
  definition: string | null;
  valid: boolean;
  table: string;
  tableKey: string;
  index: string | null;
  indexName: string | null;
  indexOptions: string | null;
  /** Bytes of the table and of the one it refers to. */
  cost: string;
  parent: boolean;
  local: boolean;
  /** Of a check: generations of parents above its table. */
  depth: number;
  partitioned: boolean;
  tablespace: string | null;
}

/** Constraints of tables. Those of domains belong to their domain. */
export async function listConstraints(catalog: Catalog): Promise<DraftList> {
  const rows = await readRows<Constraint>(
    catalog.session,
    `SELECT 'pg_constraint:' || o.oid AS key, quote_ident(o.conname) AS name, o.contype AS type,
      pg_get_constraintdef(o.oid) AS definition, o.convalidated AS valid,
      format('%I.%I', n.nspname, c.relname) AS table, 'pg_class:' || c.oid AS "tableKey",
      CASE WHEN o.contype IN ('p', 'u', 'x') THEN 'pg_class:' || o.conindid END AS index,
      quote_ident(n.nspname) || '.' || quote_ident(i.relname) AS "indexName",
      ${optionList("i.reloptions")} AS "indexOptions",
      (pg_table_size(c.oid) + CASE WHEN o.confrelid <> 0 THEN pg_table_size(o.confrelid) ELSE 0 END)
        ::text AS cost,
      coalesce(to_jsonb(o) ->> 'conparentid', '0') <> '0' AS parent, o.conislocal AS local,
      CASE WHEN o.contype = 'c' THEN (
        WITH RECURSIVE up AS (
          SELECT inhparent, 1 AS depth FROM pg_inherits WHERE inhrelid = c.oid
          UNION ALL SELECT i.inhparent, depth + 1 FROM up JOIN pg_inherits i ON i.inhrelid = up.inhparent)
        SELECT coalesce(max(depth), 0) FROM up) ELSE 0 END AS depth,
      c.relkind = 'p' OR coalesce(r.relkind = 'p', false) AS partitioned,
      s.spcname AS tablespace
    FROM pg_constraint o JOIN pg_class c ON c.oid = o.conrelid
      JOIN pg_namespace n ON n.oid = c.relnamespace
      LEFT JOIN pg_class r ON r.oid = o.confrelid
      LEFT JOIN pg_class i ON i.oid = o.conindid AND o.contype IN ('p', 'u', 'x')
      LEFT JOIN pg_tablespace s ON s.oid = i.reltablespace
    WHERE o.oid >= 16384`,
  );
  const own = rows.filter(({ key }) => catalog.own.has(key));
  return {
    drafts: own.flatMap((row) => constraintDrafts(row)),
    unsupported: own
      .filter(({ tablespace }) => tablespace !== null)
      .map(({ name, table }) => ({
        kind: "tablespace of index",
        name: `${name} on ${table}`,
        remedy: "Restored without it; give it again with ALTER INDEX … SET TABLESPACE",
      })),
  };
}

function constraintDrafts(constraint: Constraint): Draft[] {
  switch (constraint.type) {
    case "p":
    case "u":
    case "x":
      return [keyDraft(constraint)];
    case "c":
      return [checkDraft(constraint)];
    case "f":
      return foreignKeyDrafts(constraint);
    case "n":
      // 18 and newer. What is valid is part of CREATE TABLE.
      return constraint.valid
        ? [{ ...common(constraint, "pre-data"), statements: [], rows: [constraint.key] }]
        : [checkDraft(constraint)];
    // A constraint trigger is listed as a trigger; an unknown type stays unsupported.
    default:
      return [];
  }
}

function keyDraft(constraint: Constraint): Draft {
  const { key, index, cost } = constraint;
  return {
    ...common(constraint, "index"),
    statements: keyAdditions(constraint).map((text) => `ALTER ${text}`),
    cost: Number(cost),
    rows: index === null ? [key] : [key, index],
  };
}

/** `pg_get_constraintdef` leaves out the options of the index: they stand before the deferral. */
function keyAdditions(constraint: Constraint): string[] {
  const { table, type, indexName, indexOptions } = constraint;
  const add = `TABLE ONLY ${table} ${addition(constraint)}`;
  if (indexOptions === null) return [add];
  if (type === "x") return [add, `INDEX ${indexName} SET (${indexOptions})`];
  const at = add.search(/( DEFERRABLE)?( INITIALLY DEFERRED)?$/);
  return [`${add.slice(0, at)} WITH (${indexOptions})${add.slice(at)}`];
}

function checkDraft(constraint: Constraint): Draft {
  const { key, table, local, definition: text, tableKey } = constraint;
  // One that only comes from parents appears when it is added to them.
  if (!local) return { ...common(constraint, "constraint"), statements: [], rows: [key] };
  // What children do not get cannot be given to all of them.
  const only = / NO INHERIT( NOT VALID)?$/.test(text ?? "") ? "ONLY " : "";
  return {
    ...common(constraint, "constraint"),
    statements: [`ALTER TABLE ${only}${table} ${addition(constraint)}`],
    rows: [key],
    needs: [tableKey],
    // Children first: one that a child got from its parent cannot be made valid by adding it.
    rank: ranks.create - constraint.depth,
  };
}

function foreignKeyDrafts(constraint: Constraint): Draft[] {
  const { key, name, table, parent, valid, partitioned, cost } = constraint;
  if (parent) return [];
  const add = addition(constraint);
  const late = valid && !partitioned;
  const draft: Draft = {
    ...common(constraint, "foreign-key"),
    statements: [`ALTER TABLE ${table} ${add}${late ? " NOT VALID" : ""}`],
    cost: Number(cost),
    rows: [key],
  };
  if (!late) return [draft];
  const validation: Draft = {
    ...common(constraint, "validation"),
    statements: [`ALTER TABLE ${table} VALIDATE CONSTRAINT ${name}`],
    cost: Number(cost),
    rows: [],
    needs: [key],
    attribute: true,
  };
  return [draft, validation];
}

function common(constraint: Constraint, section: SchemaObject["section"]) {
  return { kind: kinds[constraint.type] ?? "constraint", name: fullName(constraint), section };
}

const kinds: Record<string, string> = {
  p: "primary key",
  u: "unique constraint",
  x: "exclusion constraint",
  c: "check constraint",
  f: "foreign key",
  n: "not-null constraint",
};

function fullName({ name, table }: Constraint): string {
  return `${name} on ${table}`;
}

function addition(constraint: Constraint): string {
  const { name, definition: text } = constraint;
  return `ADD CONSTRAINT ${name} ${definition(text, fullName(constraint))}`;
}
