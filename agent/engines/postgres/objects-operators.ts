import type { Catalog } from "./catalog.ts";
import { readRows } from "./catalog-rows.ts";
import type { Draft, DraftList } from "./draft.ts";

interface Operator {
  key: string;
  name: string;
  options: (string | null)[];
}

/** Operators, and the families and classes that index access methods know them by. */
export async function listOperators(catalog: Catalog): Promise<DraftList> {
  // Of two operators that name each other the first one made makes a shell of the second.
  const operators = await readRows<Operator>(
    catalog.session,
    `SELECT 'pg_operator:' || o.oid AS key, format('%I.%s', n.nspname, o.oprname) AS name,
      json_build_array('FUNCTION = ' || nullif(o.oprcode, 0)::regproc,
        'LEFTARG = ' || format_type(nullif(o.oprleft, 0), NULL),
        'RIGHTARG = ' || format_type(nullif(o.oprright, 0), NULL),
        'COMMUTATOR = OPERATOR(' || quote_ident(cn.nspname) || '.' || c.oprname || ')',
        'NEGATOR = OPERATOR(' || quote_ident(gn.nspname) || '.' || g.oprname || ')',
        'RESTRICT = ' || nullif(o.oprrest, 0)::regproc, 'JOIN = ' || nullif(o.oprjoin, 0)::regproc,
        CASE WHEN o.oprcanhash THEN 'HASHES' END, CASE WHEN o.oprcanmerge THEN 'MERGES' END)
        AS options
    FROM pg_operator o JOIN pg_namespace n ON n.oid = o.oprnamespace
      LEFT JOIN pg_operator c ON c.oid = o.oprcom
      LEFT JOIN pg_namespace cn ON cn.oid = c.oprnamespace
      LEFT JOIN pg_operator g ON g.oid = o.oprnegate
      LEFT JOIN pg_namespace gn ON gn.oid = g.oprnamespace
    WHERE o.oid >= 16384`,
  );
  const drafts = operators.flatMap(({ key, name, options }): Draft[] => {
    const identity = catalog.own.get(key)?.identity;
    if (identity === undefined) return [];
    // Only named by another operator, which makes it so again.
    const isShell = options[0] === null;
    const list = options.filter((option) => option !== null).join(", ");
    const statements = isShell ? [] : [`CREATE OPERATOR ${name} (${list})`];
    return [{ kind: "operator", name: identity, section: "pre-data", statements, rows: [key] }];
  });
  drafts.push(...(await listFamilies(catalog)), ...(await listClasses(catalog)));
  return { drafts };
}

interface Member {
  key: string;
  text: string;
}

/** SQL: operators and functions of a family, by conditions on `m` in each of their catalogs. */
function membersWhere(operators: string, functions: string): string {
  return `coalesce((SELECT json_agg(json_build_object('key', key, 'text', text) ORDER BY text)
    FROM (
      SELECT 'pg_amop:' || m.oid AS key, format('OPERATOR %s %I.%s (%s, %s)%s',
          m.amopstrategy, n.nspname, o.oprname, format_type(m.amoplefttype, NULL),
          format_type(m.amoprighttype, NULL), CASE WHEN m.amoppurpose = 'o'
            THEN format(' FOR ORDER BY %I.%I', sn.nspname, s.opfname) ELSE '' END) AS text
      FROM pg_amop m JOIN pg_operator o ON o.oid = m.amopopr JOIN pg_namespace n ON n.oid = o.oprnamespace
        LEFT JOIN pg_opfamily s ON s.oid = m.amopsortfamily
        LEFT JOIN pg_namespace sn ON sn.oid = s.opfnamespace
      WHERE ${operators}
      UNION ALL
      SELECT 'pg_amproc:' || m.oid, format('FUNCTION %s (%s, %s) %s', m.amprocnum,
          format_type(m.amproclefttype, NULL), format_type(m.amprocrighttype, NULL),
          m.amproc::regprocedure)
      FROM pg_amproc m
      WHERE ${functions}) x), '[]')`;
}

/** Made by CREATE OPERATOR CLASS, begins a condition: what it makes is internal to the class. */
const inClass = `EXISTS (SELECT FROM pg_depend d WHERE d.classid = m.tableoid AND d.objid = m.oid
  AND d.refclassid = 'pg_opclass'::regclass AND d.deptype = 'i'`;

/** Added by itself. On a built-in family pg_depend has no row for that. */
const isLoose = `m.oid >= 16384 AND NOT ${inClass})`;

interface Family {
  key: string;
  name: string;
  method: string;
  members: Member[];
}

/** Families, and what was added to one, even to a built-in one, by itself. */
async function listFamilies(catalog: Catalog): Promise<Draft[]> {
  const families = await readRows<Family>(
    catalog.session,
    `SELECT 'pg_opfamily:' || f.oid AS key, format('%I.%I', n.nspname, f.opfname) AS name,
      quote_ident(am.amname) AS method, ${membersWhere(
        `m.amopfamily = f.oid AND ${isLoose}`,
        `m.amprocfamily = f.oid AND ${isLoose}`,
      )} AS members
    FROM pg_opfamily f JOIN pg_namespace n ON n.oid = f.opfnamespace
      JOIN pg_am am ON am.oid = f.opfmethod`,
  );
  return families.flatMap(({ key, name, method, members }) => {
    const object = `OPERATOR FAMILY ${name} USING ${method}`;
    const identity = `${name} USING ${method}`;
    const create: Draft = {
      kind: "operator family",
      name: identity,
      section: "pre-data",
      statements: [`CREATE ${object}`],
      rows: [key],
    };
    const own = members.filter((member) => catalog.own.has(member.key));
    const loose = own.map((member): Draft => ({
      kind: "operator family member",
      name: `${member.text} of ${identity}`,
      section: "pre-data",
      statements: [`ALTER ${object} ADD ${member.text}`],
      rows: [member.key],
    }));
    return catalog.own.has(key) ? [create, ...loose] : loose;
  });
}

interface Class extends Family {
  type: string;
  family: string;
  default: boolean;
  storage: string | null;
}

async function listClasses(catalog: Catalog): Promise<Draft[]> {
  const classes = await readRows<Class>(
    catalog.session,
    `SELECT 'pg_opclass:' || c.oid AS key, format('%I.%I', n.nspname, c.opcname) AS name,
      quote_ident(am.amname) AS method, format_type(c.opcintype, NULL) AS type,
      format('%I.%I', fn.nspname, f.opfname) AS family, c.opcdefault AS default,
      format_type(nullif(c.opckeytype, 0), NULL) AS storage, ${membersWhere(
        `${inClass} AND d.refobjid = c.oid)`,
        `${inClass} AND d.refobjid = c.oid)`,
      )} AS members
    FROM pg_opclass c JOIN pg_namespace n ON n.oid = c.opcnamespace
      JOIN pg_am am ON am.oid = c.opcmethod
      JOIN pg_opfamily f ON f.oid = c.opcfamily JOIN pg_namespace fn ON fn.oid = f.opfnamespace
    WHERE c.oid >= 16384`,
  );
  const own = classes.filter(({ key }) => catalog.own.has(key));
  return own.map(({ key, name, method, type, family, members, ...rest }): Draft => {
    const items = members.map((member) => member.text);
    // A class must hold something: STORAGE of its own type says nothing new.
    if (rest.storage !== null || items.length === 0) items.push(`STORAGE ${rest.storage ?? type}`);
    const head = `${name}${rest.default ? " DEFAULT" : ""} FOR TYPE ${type} USING ${method}`;
    return {
      kind: "operator class",
      name: `${name} USING ${method}`,
      section: "pre-data",
      statements: [`CREATE OPERATOR CLASS ${head} FAMILY ${family} AS ${items.join(", ")}`],
      rows: [key, ...members.map((member) => member.key)],
    };
  });
}
