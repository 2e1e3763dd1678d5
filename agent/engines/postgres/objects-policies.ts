import type { Catalog } from "./catalog.ts";
import { readRows } from "./catalog-rows.ts";
import { type Draft, type DraftList, ranks, requireRole } from "./draft.ts";

interface Policy {
  key: string;
  name: string;
  table: string;
  permissive: boolean;
  command: string;
  roles: string[];
  using: string | null;
  check: string | null;
}

const commands: Record<string, string> = {
  "*": "ALL",
  r: "SELECT",
  a: "INSERT",
  w: "UPDATE",
  d: "DELETE",
};

/** Row security: policies, and whether a table has it on and forced. */
export async function listPolicies(catalog: Catalog): Promise<DraftList> {
  const rows = await readRows<Policy>(
    catalog.session,
    `SELECT 'pg_policy:' || p.oid AS key, quote_ident(p.polname) AS name,
      format('%I.%I', n.nspname, c.relname) AS table, p.polpermissive AS permissive,
      p.polcmd AS command, coalesce((SELECT json_agg(quote_ident(r.rolname) ORDER BY r.rolname)
        FROM pg_roles r WHERE r.oid = ANY (p.polroles)), '[]') AS roles,
      pg_get_expr(p.polqual, p.polrelid) AS using,
      pg_get_expr(p.polwithcheck, p.polrelid) AS check
    FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
      JOIN pg_namespace n ON n.oid = c.relnamespace`,
  );
  const own = rows.filter(({ key }) => catalog.own.has(key));
  return {
    drafts: [...own.map(policyDraft), ...(await listRowSecurity(catalog))],
    requires: own.flatMap(({ roles }) => roles.map(requireRole)),
  };
}

function policyDraft(policy: Policy): Draft {
  const { key, name, table, permissive, command, roles, using, check } = policy;
  const parts = [
    `CREATE POLICY ${name} ON ${table} AS ${permissive ? "PERMISSIVE" : "RESTRICTIVE"}`,
    `FOR ${commands[command]} TO ${roles.length === 0 ? "PUBLIC" : roles.join(", ")}`,
  ];
  if (using !== null) parts.push(`USING (${using})`);
  if (check !== null) parts.push(`WITH CHECK (${check})`);
  return {
    kind: "policy",
    name: `${name} on ${table}`,
    section: "post-data",
    statements: [parts.join(" ")],
    rows: [key],
    rank: ranks.security,
  };
}

async function listRowSecurity(catalog: Catalog): Promise<Draft[]> {
  const rows = await readRows<{ key: string; enabled: boolean; forced: boolean }>(
    catalog.session,
    `SELECT 'pg_class:' || oid AS key, relrowsecurity AS enabled, relforcerowsecurity AS forced
    FROM pg_class WHERE (relrowsecurity OR relforcerowsecurity) AND oid >= 16384`,
  );
  return rows.flatMap(({ key, enabled, forced }): Draft[] => {
    const name = catalog.own.get(key)?.identity;
    if (name === undefined) return [];
    const actions = [
      ...(enabled ? ["ENABLE ROW LEVEL SECURITY"] : []),
      ...(forced ? ["FORCE ROW LEVEL SECURITY"] : []),
    ];
    return [
      {
        kind: "row security",
        name,
        section: "post-data",
        statements: [`ALTER TABLE ${name} ${actions.join(", ")}`],
        rows: [],
        needs: [key],
        rank: ranks.security,
        attribute: true,
      },
    ];
  });
}
