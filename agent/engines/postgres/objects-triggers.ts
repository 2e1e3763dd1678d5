import type { Catalog } from "./catalog.ts";
import { definition, readRows } from "./catalog-rows.ts";
import { type Draft, type DraftList, ranks } from "./draft.ts";
import { quoteLiteral } from "./quote.ts";

interface TableCode {
  key: string;
  name: string;
  table: string;
  definition: string | null;
  enabled: string;
  /** A clone that a partition got from its parent. */
  clone: boolean;
  /** Of a constraint trigger. */
  constraint: string | null;
}

const states: Record<string, string> = {
  O: "ENABLE",
  D: "DISABLE",
  R: "ENABLE REPLICA",
  A: "ENABLE ALWAYS",
};

/** Triggers and rules, each with the state it is in. */
export async function listTriggers(catalog: Catalog): Promise<DraftList> {
  const triggers = await readRows<TableCode>(
    catalog.session,
    `SELECT 'pg_trigger:' || t.oid AS key, quote_ident(t.tgname) AS name,
      format('%I.%I', n.nspname, c.relname) AS table, pg_get_triggerdef(t.oid) AS definition,
      t.tgenabled AS enabled, p.oid IS NOT NULL AS clone,
      CASE WHEN o.contype = 't' THEN 'pg_constraint:' || o.oid END AS constraint
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
      JOIN pg_namespace n ON n.oid = c.relnamespace
      LEFT JOIN pg_constraint o ON o.oid = t.tgconstraint
      LEFT JOIN pg_trigger p ON p.oid = (to_jsonb(t) ->> 'tgparentid')::oid
    WHERE NOT t.tgisinternal OR (p.oid IS NOT NULL AND NOT p.tgisinternal)`,
  );
  const rules = await readRows<TableCode>(
    catalog.session,
    `SELECT 'pg_rewrite:' || r.oid AS key, quote_ident(r.rulename) AS name,
      format('%I.%I', n.nspname, c.relname) AS table, pg_get_ruledef(r.oid) AS definition,
      r.ev_enabled AS enabled, false AS clone, NULL AS constraint
    FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
      JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE r.rulename <> '_RETURN'`,
  );
  const own = ({ key }: TableCode) => catalog.own.has(key);
  return {
    drafts: [
      ...triggers.filter(own).map((row) => codeDraft("trigger", row)),
      ...rules.filter(own).map((row) => codeDraft("rule", row)),
    ],
    unsupported: await listInternalStates(catalog),
  };
}

function codeDraft(kind: "trigger" | "rule", row: TableCode): Draft {
  const { key, name, table, enabled, clone, constraint } = row;
  const create = clone ? [] : [definition(row.definition, `${kind} ${name} on ${table}`)];
  // Clones of partitions have their own states: newer servers would change those too.
  const state = `ALTER TABLE ONLY ${table} ${states[enabled]} ${kind.toUpperCase()} ${name}`;
  return {
    kind,
    name: `${name} on ${table}`,
    section: "post-data",
    statements: enabled === "O" ? create : [...create, state],
    rows: constraint === null ? [key] : [key, constraint],
    rank: ranks.trigger,
  };
}

/** ALTER TABLE … DISABLE TRIGGER ALL switches foreign keys off as well. */
async function listInternalStates(catalog: Catalog) {
  const rows = await readRows<{ key: string; name: string }>(
    catalog.session,
    `SELECT DISTINCT 'pg_constraint:' || o.oid AS key,
      format('%I on %I.%I', o.conname, n.nspname, c.relname) AS name
    FROM pg_trigger t JOIN pg_constraint o ON o.oid = t.tgconstraint
      JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE t.tgisinternal AND t.tgenabled <> 'O'`,
  );
  const remedy = "Restored enabled; disable its triggers again if they have to be";
  return rows
    .filter(({ key }) => catalog.own.has(key))
    .map(({ name }) => ({ kind: "disabled constraint", name, remedy }));
}

interface EventTrigger {
  key: string;
  name: string;
  event: string;
  tags: string[];
  routine: string;
  enabled: string;
}

/** Event triggers come last of all, so that the restore itself does not set them off. */
export async function listEventTriggers(catalog: Catalog): Promise<DraftList> {
  const rows = await readRows<EventTrigger>(
    catalog.session,
    `SELECT 'pg_event_trigger:' || e.oid AS key, quote_ident(e.evtname) AS name,
      e.evtevent AS event, coalesce(to_json(e.evttags), '[]') AS tags,
      format('%I.%I()', n.nspname, p.proname) AS routine, e.evtenabled AS enabled
    FROM pg_event_trigger e JOIN pg_proc p ON p.oid = e.evtfoid
      JOIN pg_namespace n ON n.oid = p.pronamespace`,
  );
  const own = rows.filter(({ key }) => catalog.own.has(key));
  const drafts = own.map(({ key, name, event, tags, routine, enabled }): Draft => {
    const filter = tags.length === 0 ? "" : ` WHEN TAG IN (${tags.map(quoteLiteral).join(", ")})`;
    const create = `CREATE EVENT TRIGGER ${name} ON ${event}${filter} EXECUTE PROCEDURE ${routine}`;
    const state = `ALTER EVENT TRIGGER ${name} ${states[enabled]}`;
    return {
      kind: "event trigger",
      name,
      section: "post-data",
      statements: enabled === "O" ? [create] : [create, state],
      rows: [key],
      rank: ranks.eventTrigger,
    };
  });
  return { drafts };
}
