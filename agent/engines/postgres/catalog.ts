import type { UnsupportedObject } from "../engine.ts";
import { type CatalogSession, definition, readRows, routineTarget } from "./catalog-rows.ts";
import { findHidden } from "./catalog-hidden.ts";

/** An object as `pg_identify_object` names it. */
export interface CatalogRow {
  /** Catalog and oid, for example `pg_class:16384`. */
  key: string;
  /** For example `table`, `foreign-data wrapper`. */
  type: string;
  /** Full name, quoted where needed: `public.orders`, `pk on public.orders`. */
  identity: string;
  /** How statements name it: routines with the modes of their arguments, others as above. */
  target: string;
}

/** A reference of pg_depend; `type` is its `deptype`. */
export interface Dependency {
  from: string;
  to: string;
  type: string;
}

/** All that lives in the database and is neither initdb's nor temporary. */
export interface Catalog {
  session: CatalogSession;
  /** What has to be recreated: members of extensions and what came with them are left out. */
  own: Map<string, CatalogRow>;
  /** Every object with its name, members of extensions included. */
  all: Map<string, CatalogRow>;
  /** Keys of the members of extensions, whoever made those. */
  members: Set<string>;
  /** Keys of what is made and dropped with another object: row types, constructors of ranges, … */
  parts: Set<string>;
  dependencies: Dependency[];
  unknown: UnsupportedObject[];
}

/** Catalogs with an oid whose rows are objects of a database. Large objects are counted apart. */
const objectCatalogs = [
  "pg_am pg_amop pg_amproc pg_attrdef pg_cast pg_class pg_collation pg_constraint pg_conversion",
  "pg_default_acl pg_event_trigger pg_extension pg_foreign_data_wrapper pg_foreign_server",
  "pg_language pg_namespace pg_opclass pg_operator pg_opfamily pg_policy pg_proc pg_publication",
  "pg_publication_namespace pg_publication_rel pg_rewrite pg_statistic_ext pg_subscription",
  "pg_transform pg_trigger pg_ts_config pg_ts_dict pg_ts_parser pg_ts_template pg_type",
  "pg_user_mapping",
].flatMap((line) => line.split(" "));

/** Catalogs that hold parts of those objects, facts that are not schema, or instance objects. */
const otherCatalogs = [
  "pg_aggregate pg_attribute pg_auth_members pg_authid pg_database pg_db_role_setting pg_depend",
  "pg_description pg_enum pg_foreign_table pg_index pg_inherits pg_init_privs pg_largeobject",
  "pg_largeobject_metadata pg_parameter_acl pg_partitioned_table pg_range pg_replication_origin",
  "pg_seclabel pg_sequence pg_shdepend pg_shdescription pg_shseclabel pg_statistic",
  "pg_statistic_ext_data pg_subscription_rel pg_tablespace pg_ts_config_map pg_pltemplate",
].flatMap((line) => line.split(" "));

/** Oids below are initdb's: FirstNormalObjectId of access/transam.h. */
const firstUserOid = 16384;

/** Reads what is there. `public` counts as own even where initdb made it: it can be changed. */
export async function readCatalog(session: CatalogSession): Promise<Catalog> {
  const present = await readRows<{ relname: string }>(
    session,
    `SELECT quote_ident(relname) AS relname FROM pg_class
      WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind IN ('r', 'p') ORDER BY 1`,
  );
  const names = new Set(present.map(({ relname }) => relname));
  const rows = await readObjects(
    session,
    objectCatalogs.filter((name) => names.has(name)),
  );
  const all = new Map(rows.map((row) => [row.key, row]));
  const dependencies = await cutShells(session, await readDependencies(session));
  const hidden = await findHidden({ session, all, dependencies });
  return {
    session,
    own: new Map([...all].filter(([key]) => !hidden.has(key))),
    all,
    members: new Set(dependencies.filter(({ type }) => type === "e").map(({ from }) => from)),
    // A partitioned table depends internally on itself, by its key columns.
    parts: new Set(
      dependencies
        .filter(({ from, to, type }) => type === "i" && from !== to)
        .map(({ from }) => from),
    ),
    dependencies,
    unknown: await listUnknownCatalogs(session, names),
  };
}

async function readObjects(session: CatalogSession, catalogs: string[]): Promise<CatalogRow[]> {
  const oids = catalogs.map((name) => {
    const which =
      name === "pg_namespace"
        ? ` OR nspname = 'public'`
        : name === "pg_subscription"
          ? ` AND subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())`
          : "";
    // The catalog itself is for superusers; the view shows all mappings, without others' secrets.
    const from =
      name === "pg_user_mapping" ? "(SELECT umid AS oid FROM pg_user_mappings) AS m" : name;
    return `SELECT '${name}'::text AS catalog, oid FROM ${from} WHERE oid >= ${firstUserOid}${which}`;
  });
  const rows = await readRows<{ [Field in keyof CatalogRow]: string | null } & { key: string }>(
    session,
    // Releases differ in how they name a transform: "for t on language l", "for t language l".
    `SELECT catalog || ':' || o.oid AS key, i.type,
        CASE catalog WHEN 'pg_transform' THEN replace(i.identity, ' on language ', ' language ')
          ELSE i.identity END AS identity,
        coalesce(${routineTarget("p", "n")}, i.identity) AS target
      FROM (${oids.join(" UNION ALL ")}) o
        CROSS JOIN LATERAL pg_identify_object(catalog::regclass, o.oid, 0) i
        LEFT JOIN pg_proc p ON catalog = 'pg_proc' AND p.oid = o.oid
        LEFT JOIN pg_namespace n ON n.oid = p.pronamespace`,
  );
  return rows.map(({ key, type, identity, target }) => ({
    key,
    type: definition(type, key),
    identity: definition(identity, key),
    target: definition(target, key),
  }));
}

function readDependencies(session: CatalogSession): Promise<Dependency[]> {
  return readRows(
    session,
    `SELECT DISTINCT classid::regclass || ':' || objid AS from,
        refclassid::regclass || ':' || refobjid AS to, deptype AS type
      FROM pg_depend WHERE objid >= ${firstUserOid} AND deptype <> 'p'`,
  );
}

/** Stands for a type that has a name but no functions yet. */
export function shellOf(type: string): string {
  return `shell of ${type}`;
}

/** Functions of a base type, or of a range, can do with its shell; the type needs them whole. */
async function cutShells(
  session: CatalogSession,
  dependencies: Dependency[],
): Promise<Dependency[]> {
  const types = await readRows<{ key: string }>(
    session,
    `SELECT 'pg_type:' || oid AS key FROM pg_type WHERE typtype IN ('b', 'r') AND oid >= ${firstUserOid}`,
  );
  const keys = new Set(types.map(({ key }) => key));
  const routines = new Set(
    dependencies
      .filter(({ from, to }) => keys.has(from) && to.startsWith("pg_proc:"))
      .map(({ from, to }) => `${to} ${from}`),
  );
  return dependencies.map((dependency) => {
    const { from, to, type } = dependency;
    if (type !== "n" || !routines.has(`${from} ${to}`)) return dependency;
    return { from, to: shellOf(to), type };
  });
}

/** A newer server may have kinds of objects that nobody here has heard of. */
async function listUnknownCatalogs(
  session: CatalogSession,
  names: Set<string>,
): Promise<UnsupportedObject[]> {
  const known = new Set([...objectCatalogs, ...otherCatalogs]);
  const found: UnsupportedObject[] = [];
  for (const name of names) {
    if (known.has(name)) continue;
    const rows = await session.query(`SELECT 1 AS one FROM pg_catalog.${name} LIMIT 1`);
    const remedy = "Use a version of dbctl that knows this version of PostgreSQL";
    if (rows.length > 0) found.push({ kind: "catalog", name, remedy });
  }
  return found;
}
