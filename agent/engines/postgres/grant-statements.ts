import { definition } from "./catalog-rows.ts";

/** One right of an `aclitem`; names of roles are quoted. A role that is gone is null. */
export interface GrantItem {
  grantor: string | null;
  grantee: string | null;
  privilege: string;
  grantable: boolean;
}

/** What the rights are on, in SQL; `column` for those on one column only. */
export interface GrantTarget {
  on: string;
  column?: string | null;
  /** Others than the owner give rights in their own name. */
  owner: string;
}

/** SQL that lists the rights in an `aclitem[]` as JSON, in their order. */
export function itemsOf(acl: string): string {
  return `coalesce((SELECT json_agg(json_build_object('grantor', quote_ident(gr.rolname),
      'grantee', CASE WHEN x.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(ge.rolname) END,
      'privilege', x.privilege_type, 'grantable', x.is_grantable)
      ORDER BY x.ordinality)
    FROM aclexplode(${acl}) WITH ORDINALITY x LEFT JOIN pg_roles gr ON gr.oid = x.grantor
      LEFT JOIN pg_roles ge ON ge.oid = x.grantee), '[]')`;
}

/** Statements that turn one list of rights into another. */
export function changeGrants(
  { from, to }: { from: GrantItem[]; to: GrantItem[] },
  target: GrantTarget,
): string[] {
  const before = new Set(from.map(keyOf));
  const after = new Set(to.map(keyOf));
  const lost = from.filter((item) => !after.has(keyOf(item)));
  const gained = to.filter((item) => !before.has(keyOf(item)));
  return [
    ...inGroups(lost).flatMap((group) => statements(group, target, "REVOKE")),
    ...inGroups(chain(gained, target.owner)).flatMap((group) => statements(group, target, "GRANT")),
  ];
}

function keyOf({ grantor, grantee, privilege, grantable }: GrantItem): string {
  return JSON.stringify([grantor, grantee, privilege, grantable]);
}

/** Each after the one that gave its grantor the right to grant. */
function chain(items: GrantItem[], owner: string): GrantItem[] {
  const done: GrantItem[] = [];
  let rest = items;
  while (rest.length > 0) {
    const granters = new Set([owner, ...done.map(({ grantee }) => grantee)]);
    const now = rest.filter(({ grantor }) => granters.has(grantor));
    // A grantor may also have the right through a role of which it is a member.
    done.push(...(now.length > 0 ? now : rest));
    rest = now.length > 0 ? rest.filter((item) => !now.includes(item)) : [];
  }
  return done;
}

/** Neighbours that one statement can name together. */
function inGroups(items: GrantItem[]): GrantItem[][] {
  const groups = Map.groupBy(items, ({ grantor, grantee, grantable }) =>
    JSON.stringify([grantor, grantee, grantable]),
  );
  return [...groups.values()];
}

function statements(group: GrantItem[], target: GrantTarget, verb: "GRANT" | "REVOKE"): string[] {
  const [first] = group;
  if (first === undefined) return [];
  const { on, column = null, owner } = target;
  const grantor = definition(first.grantor, `rights ${on}`);
  const grantee = definition(first.grantee, `rights ${on}`);
  const columns = column === null ? "" : ` (${column})`;
  const rights = group.map(({ privilege }) => `${privilege}${columns}`).join(", ");
  const option = first.grantable && verb === "GRANT" ? " WITH GRANT OPTION" : "";
  const text = `${verb} ${rights} ${on} ${verb === "GRANT" ? "TO" : "FROM"} ${grantee}${option}`;
  return grantor === owner ? [text] : [`SET ROLE ${grantor}`, text, "RESET ROLE"];
}
