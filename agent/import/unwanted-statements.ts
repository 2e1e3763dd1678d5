export interface Wanted {
  owners: boolean;
  privileges: boolean;
  /** Roles that the target server has. */
  roles: ReadonlySet<string>;
}

const owners = /^ALTER [^;]* OWNER TO (?:"(?:[^"]|"")*"|\S+)$|^SET SESSION AUTHORIZATION\b/i;
const privileges = /^(?:GRANT|REVOKE|ALTER DEFAULT PRIVILEGES)\b/i;

const role = String.raw`(?:"(?<quoted>(?:[^"]|"")+)"|(?<plain>[^\s";]+))`;
const anyRole = String.raw`(?:"(?:[^"]|"")+"|[^\s";]+)`;
/** Statements of pg_dumpall that change a role. */
const roleChanges = [
  new RegExp(`^(?:CREATE|ALTER|DROP) (?:ROLE|USER|GROUP) (?:IF EXISTS )?${role}`, "i"),
  new RegExp(`^COMMENT ON ROLE ${role}`, "i"),
  new RegExp(`^GRANT ${anyRole} TO ${role}`, "i"),
];

/** Why a statement is not to be run: nobody wants it, or it would change a role of the target. */
export function whyNot(statement: string, wanted: Wanted): string | undefined {
  for (const pattern of roleChanges) {
    const { quoted, plain } = pattern.exec(statement)?.groups ?? {};
    const name = quoted?.replaceAll('""', '"') ?? plain;
    if (name !== undefined && wanted.roles.has(name))
      return "the role is there already, and stays as it is";
  }
  if (!wanted.owners && owners.test(statement)) return "owners are not wanted";
  if (!wanted.privileges && privileges.test(statement)) return "privileges are not wanted";
  return undefined;
}
