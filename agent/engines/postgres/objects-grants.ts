import type { Catalog } from "./catalog.ts";
import { definition, readRows, routineTarget } from "./catalog-rows.ts";
import { type Draft, type DraftList, ranks, requireRole } from "./draft.ts";
import { changeGrants, type GrantItem, itemsOf } from "./grant-statements.ts";

/** Selects key, subobject, owner, list of grants, and what that list is when nobody changed it. */
const grantLists = [
  `SELECT 'pg_class'::regclass AS catalog, oid, 0 AS sub, relowner AS owner, relacl AS acl,
    acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner) AS base,
    CASE relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS word, NULL::text AS column
    FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S')`,
  `SELECT 'pg_class'::regclass, attrelid, attnum, c.relowner, attacl, acldefault('c', c.relowner),
    'TABLE', quote_ident(attname) FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
    WHERE attnum > 0 AND NOT attisdropped AND attacl IS NOT NULL`,
  ...[
    ["pg_type", "typ", "T", "TYPE"],
    ["pg_namespace", "nsp", "n", "SCHEMA"],
    ["pg_language", "lan", "l", "LANGUAGE"],
    ["pg_foreign_data_wrapper", "fdw", "F", "FOREIGN DATA WRAPPER"],
    ["pg_foreign_server", "srv", "S", "FOREIGN SERVER"],
  ].map(
    ([catalog, prefix, letter, word]) =>
      `SELECT '${catalog}'::regclass, oid, 0, ${prefix}owner, ${prefix}acl, acldefault('${letter}', ${prefix}owner),
        '${word}', NULL FROM ${catalog}`,
  ),
  `SELECT 'pg_proc'::regclass, p.oid, 0, proowner, proacl, acldefault('f', proowner),
    CASE WHEN to_jsonb(p) ->> 'prokind' = 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END, NULL
    FROM pg_proc p WHERE proacl IS NOT NULL`,
];

interface Grants {
  key: string;
  type: string;
  identity: string;
  /** GRANT names aggregates by types alone. */
  target: string;
  builtin: boolean;
  owner: string;
  word: string;
  column: string | null;
  acl: GrantItem[];
  base: GrantItem[];
}

/** Rights that differ from what a new object has, those on built-in objects too. */
export async function listGrants(catalog: Catalog): Promise<DraftList> {
  const rows = await readRows<Grants>(
    catalog.session,
    `SELECT g.catalog || ':' || g.oid AS key, i.type, i.identity, g.oid < 16384 AS builtin,
      CASE WHEN i.type = 'aggregate' THEN i.identity
        ELSE coalesce(${routineTarget("f", "n")}, i.identity) END AS target,
      quote_ident(r.rolname) AS owner, g.word, g.column, ${itemsOf("coalesce(g.acl, g.base)")} AS acl, ${itemsOf("coalesce(p.initprivs, g.base)")} AS base
    FROM (${grantLists.join(" UNION ALL ")}) g
      JOIN pg_roles r ON r.oid = g.owner
      LEFT JOIN pg_init_privs p
        ON p.classoid = g.catalog AND p.objoid = g.oid AND p.objsubid = g.sub
      CROSS JOIN LATERAL pg_identify_object(g.catalog, g.oid, 0) i
      LEFT JOIN pg_proc f ON g.catalog = 'pg_proc'::regclass AND f.oid = g.oid
      LEFT JOIN pg_namespace n ON n.oid = f.pronamespace
    WHERE (g.acl IS NOT NULL AND ARRAY(SELECT unnest(g.acl)::text ORDER BY 1)
        <> ARRAY(SELECT unnest(coalesce(p.initprivs, g.base))::text ORDER BY 1))
      OR (g.catalog = 'pg_namespace'::regclass AND i.identity = 'public')`,
  );
  const list: Required<DraftList> = { drafts: [], unsupported: [], requires: [] };
  for (const row of rows) {
    const isOurs = catalog.own.has(row.key) || catalog.members.has(row.key) || row.builtin;
    const draft = isOurs ? grantDraft(row, catalog.own.has(row.key)) : undefined;
    if (draft === undefined || draft.statements.length === 0) continue;
    list.drafts.push(draft);
    for (const { grantor, grantee } of row.acl)
      for (const name of [grantor, grantee])
        if (name !== "PUBLIC") list.requires.push(requireRole(definition(name, "a role")));
  }
  return list;
}

function grantDraft(row: Grants, isOwn: boolean): Draft {
  const { type, identity, target: named, owner, word, column, acl } = row;
  const on = `ON ${word} ${named}`;
  const isPublic = type === "schema" && identity === "public";
  const target = { on, column, owner };
  // What a new `public` has differs between releases.
  const statements = isPublic
    ? [`REVOKE ALL ${on} FROM PUBLIC, ${owner}`, ...changeGrants({ from: [], to: acl }, target)]
    : changeGrants({ from: baseOf(row), to: acl }, target);
  return {
    kind: "grant",
    name: column === null ? `${type} ${identity}` : `column ${identity}.${column}`,
    section: "post-data",
    statements,
    rows: [],
    needs: isOwn ? [row.key] : [],
    // Whoever grants something has to reach its schema.
    rank: type === "schema" ? ranks.grant - 0.5 : ranks.grant,
    attribute: true,
  };
}

/** Initdb keeps no record of what it grants on information_schema: to nobody but PUBLIC. */
function baseOf({ builtin, identity, owner, acl, base }: Grants): GrantItem[] {
  if (!builtin || !/^information_schema(\.|$)/.test(identity)) return base;
  return acl.filter(({ grantee }) => grantee === "PUBLIC" || grantee === owner);
}

interface DefaultGrants {
  key: string;
  role: string;
  schema: string | null;
  objects: string;
  acl: GrantItem[];
  base: GrantItem[];
}

const objectWords: Record<string, string> = {
  r: "TABLES",
  S: "SEQUENCES",
  f: "FUNCTIONS",
  T: "TYPES",
  n: "SCHEMAS",
  L: "LARGE OBJECTS",
};

/** ALTER DEFAULT PRIVILEGES: at the very end, so that it changes nothing that a restore makes. */
export async function listDefaultGrants(catalog: Catalog): Promise<DraftList> {
  const rows = await readRows<DefaultGrants>(
    catalog.session,
    `SELECT 'pg_default_acl:' || d.oid AS key, quote_ident(r.rolname) AS role,
      quote_ident(n.nspname) AS schema, d.defaclobjtype AS objects,
      ${itemsOf("d.defaclacl")} AS acl,
      ${itemsOf(`CASE WHEN d.defaclnamespace = 0 THEN acldefault(
        CASE d.defaclobjtype WHEN 'S' THEN 's' ELSE d.defaclobjtype END, d.defaclrole) END`)} AS base
    FROM pg_default_acl d JOIN pg_roles r ON r.oid = d.defaclrole
      LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace`,
  );
  const own = rows.filter(({ key, objects }) => catalog.own.has(key) && objects in objectWords);
  const drafts = own.map((row): Draft => {
    const where = row.schema === null ? "" : ` IN SCHEMA ${row.schema}`;
    const prefix = `ALTER DEFAULT PRIVILEGES FOR ROLE ${row.role}${where} `;
    const on = `ON ${objectWords[row.objects]}`;
    return {
      kind: "default privileges",
      name: `of ${row.role}${where.toLowerCase()} on ${objectWords[row.objects]?.toLowerCase()}`,
      section: "post-data",
      statements: changeGrants({ from: row.base, to: row.acl }, { on, owner: row.role }).map(
        (text) => prefix + text,
      ),
      rows: [row.key],
      rank: ranks.defaults,
    };
  });
  const roles = own.flatMap(({ role, acl }) => [role, ...acl.map(({ grantee }) => grantee)]);
  return {
    drafts,
    requires: roles
      .filter((name) => name !== "PUBLIC")
      .map((name) => requireRole(definition(name, "a role"))),
  };
}
