import { type Catalog, shellOf } from "./catalog.ts";
import { type CatalogSession, readRows } from "./catalog-rows.ts";
import type { Draft, DraftList } from "./draft.ts";
import { quoteLiteral } from "./quote.ts";

/** Enums, domains, composite and range types. */
export async function listTypes(catalog: Catalog): Promise<DraftList> {
  const drafts: Draft[] = [];
  for (const read of [readEnums, readComposites, readRanges, readDomains]) {
    const types = await read(catalog.session);
    for (const { keys, kind, create, needs = [] } of types) {
      const [key = ""] = keys;
      const name = catalog.own.get(key)?.identity;
      if (name === undefined) continue;
      const statements = create.map((text) => text.replace("%", () => name));
      drafts.push({ kind, name, section: "pre-data", statements, rows: keys, needs });
    }
  }
  const constraints = await readDomainConstraints(catalog.session);
  for (const { key, domain, name, definition } of constraints) {
    if (!catalog.own.has(key)) continue;
    drafts.push({
      kind: "domain constraint",
      name: `${name} on ${domain}`,
      section: "constraint",
      statements: [`ALTER DOMAIN ${domain} ADD CONSTRAINT ${name} ${definition}`],
      rows: [key],
    });
  }
  return { drafts };
}

interface Type {
  /** The type itself first, then what else it makes. */
  keys: string[];
  kind: string;
  /** Statements with `%` in the place of the name. */
  create: string[];
  needs?: string[];
}

async function readEnums(session: CatalogSession): Promise<Type[]> {
  const rows = await readRows<{ key: string; labels: string[] }>(
    session,
    `SELECT 'pg_type:' || t.oid AS key,
      coalesce((SELECT json_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_enum e
        WHERE e.enumtypid = t.oid), '[]') AS labels
    FROM pg_type t WHERE t.typtype = 'e' AND t.oid >= 16384`,
  );
  return rows.map(({ key, labels }) => ({
    keys: [key],
    kind: "enum",
    create: [`CREATE TYPE % AS ENUM (${labels.map(quoteLiteral).join(", ")})`],
  }));
}

async function readComposites(session: CatalogSession): Promise<Type[]> {
  const rows = await readRows<{ key: string; relation: string; columns: string | null }>(
    session,
    `SELECT 'pg_type:' || t.oid AS key, 'pg_class:' || t.typrelid AS relation,
      (SELECT string_agg(concat_ws(' ', quote_ident(a.attname),
          format_type(a.atttypid, a.atttypmod),
          CASE WHEN a.attcollation <> 0 AND a.attcollation <> at.typcollation
            THEN format('COLLATE %I.%I', n.nspname, o.collname) END), ', ' ORDER BY a.attnum)
        FROM pg_attribute a JOIN pg_type at ON at.oid = a.atttypid
          LEFT JOIN pg_collation o ON o.oid = a.attcollation
          LEFT JOIN pg_namespace n ON n.oid = o.collnamespace
        WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped) AS columns
    FROM pg_type t JOIN pg_class c ON c.oid = t.typrelid
    WHERE c.relkind = 'c' AND t.oid >= 16384`,
  );
  return rows.map(({ key, relation, columns }) => ({
    keys: [key, relation],
    kind: "composite type",
    create: [`CREATE TYPE % AS (${columns ?? ""})`],
  }));
}

interface Range {
  key: string;
  subtype: string;
  opclass: string | null;
  collation: string | null;
  canonical: string | null;
  difference: string | null;
  multirange: string | null;
}

async function readRanges(session: CatalogSession): Promise<Type[]> {
  const rows = await readRows<Range>(
    session,
    `SELECT 'pg_type:' || r.rngtypid AS key, format_type(r.rngsubtype, NULL) AS subtype,
      CASE WHEN NOT c.opcdefault THEN format('%I.%I', cn.nspname, c.opcname) END AS opclass,
      CASE WHEN r.rngcollation <> st.typcollation THEN format('%I.%I', n.nspname, o.collname) END
        AS collation,
      CASE WHEN r.rngcanonical <> 0 THEN r.rngcanonical::regproc::text END AS canonical,
      CASE WHEN r.rngsubdiff <> 0 THEN r.rngsubdiff::regproc::text END AS difference,
      format_type((to_jsonb(r) ->> 'rngmultitypid')::oid, NULL) AS multirange
    FROM pg_range r JOIN pg_type st ON st.oid = r.rngsubtype
      JOIN pg_opclass c ON c.oid = r.rngsubopc JOIN pg_namespace cn ON cn.oid = c.opcnamespace
      LEFT JOIN pg_collation o ON o.oid = r.rngcollation
      LEFT JOIN pg_namespace n ON n.oid = o.collnamespace
    WHERE r.rngtypid >= 16384`,
  );
  return rows.map((range) => {
    const { key, subtype, opclass, collation, canonical, difference, multirange } = range;
    const options = [`SUBTYPE = ${subtype}`];
    if (opclass !== null) options.push(`SUBTYPE_OPCLASS = ${opclass}`);
    if (collation !== null) options.push(`COLLATION = ${collation}`);
    if (difference !== null) options.push(`SUBTYPE_DIFF = ${difference}`);
    if (canonical !== null) options.push(`CANONICAL = ${canonical}`);
    if (multirange !== null) options.push(`MULTIRANGE_TYPE_NAME = ${multirange}`);
    const create = [`CREATE TYPE % AS RANGE (${options.join(", ")})`];
    // A canonical function needs the type: it begins as a shell.
    const needs = canonical === null ? [] : [shellOf(key)];
    return { keys: [key], kind: "range type", create, needs };
  });
}

interface Domain {
  key: string;
  base: string;
  collation: string | null;
  default: string | null;
  notNull: boolean;
  constraints: { key: string; text: string; type: string }[];
}

async function readDomains(session: CatalogSession): Promise<Type[]> {
  const rows = await readRows<Domain>(
    session,
    `SELECT 'pg_type:' || t.oid AS key, format_type(t.typbasetype, t.typtypmod) AS base,
      CASE WHEN t.typcollation <> b.typcollation THEN format('%I.%I', n.nspname, o.collname) END
        AS collation,
      coalesce(pg_get_expr(t.typdefaultbin, 0), quote_literal(t.typdefault)) AS default,
      t.typnotnull AS "notNull",
      coalesce((SELECT json_agg(json_build_object('key', 'pg_constraint:' || c.oid,
          'type', c.contype, 'text',
          format('CONSTRAINT %I %s', c.conname, pg_get_constraintdef(c.oid))) ORDER BY c.conname)
        FROM pg_constraint c WHERE c.contypid = t.oid AND c.convalidated), '[]') AS constraints
    FROM pg_type t JOIN pg_type b ON b.oid = t.typbasetype
      LEFT JOIN pg_collation o ON o.oid = t.typcollation
      LEFT JOIN pg_namespace n ON n.oid = o.collnamespace
    WHERE t.typtype = 'd' AND t.oid >= 16384`,
  );
  return rows.map((domain) => {
    const { key, base, collation, notNull, constraints } = domain;
    const parts = [`CREATE DOMAIN % AS ${base}`];
    if (collation !== null) parts.push(`COLLATE ${collation}`);
    if (domain.default !== null) parts.push(`DEFAULT ${domain.default}`);
    // 17 and newer: also a constraint, with a name.
    if (notNull && !constraints.some(({ type }) => type === "n")) parts.push("NOT NULL");
    parts.push(...constraints.map(({ text }) => text));
    const keys = [key, ...constraints.map((constraint) => constraint.key)];
    return { keys, kind: "domain", create: [parts.join(" ")] };
  });
}

/** Those that are not validated: values that are there need not keep them. */
function readDomainConstraints(session: CatalogSession) {
  return readRows<{ key: string; domain: string; name: string; definition: string }>(
    session,
    `SELECT 'pg_constraint:' || c.oid AS key, format_type(c.contypid, NULL) AS domain,
      quote_ident(c.conname) AS name, pg_get_constraintdef(c.oid) AS definition
    FROM pg_constraint c WHERE c.contypid <> 0 AND NOT c.convalidated AND c.oid >= 16384`,
  );
}
