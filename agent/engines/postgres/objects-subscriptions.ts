import type { Catalog } from "./catalog.ts";
import { readRows } from "./catalog-rows.ts";
import { type Draft, type DraftList, ranks } from "./draft.ts";

interface Subscription {
  key: string;
  connection: string;
  publications: string;
  options: string;
}

/** Subscriptions: restored disabled and unconnected, so that a copy takes nothing from the slot. */
export async function listSubscriptions(catalog: Catalog): Promise<DraftList> {
  const [may] = await catalog.session.query("SELECT current_setting('is_superuser') AS all");
  // Others may not read connection strings: their subscriptions stay unsupported.
  if (may?.["all"] !== "on") return { drafts: [] };
  const rows = await readRows<Subscription>(
    catalog.session,
    `SELECT 'pg_subscription:' || s.oid AS key, quote_literal(s.subconninfo) AS connection,
      (SELECT string_agg(quote_ident(p), ', ') FROM unnest(s.subpublications) p) AS publications,
      concat_ws(', ', 'connect = false',
        'slot_name = ' || coalesce(quote_literal(s.subslotname), 'NONE'),
        'synchronous_commit = ' || quote_literal(s.subsynccommit),
        ${flag("binary", "subbinary", "false")},
        CASE to_jsonb(s) ->> 'substream' WHEN 'true' THEN 'streaming = on'
          WHEN 't' THEN 'streaming = on' WHEN 'p' THEN 'streaming = parallel'
          WHEN 'f' THEN 'streaming = off' END,
        CASE WHEN to_jsonb(s) ->> 'subtwophasestate' <> 'd' THEN 'two_phase = true' END,
        ${flag("disable_on_error", "subdisableonerr", "false")},
        ${flag("password_required", "subpasswordrequired", "true")},
        ${flag("run_as_owner", "subrunasowner", "false")},
        ${flag("failover", "subfailover", "false")},
        CASE WHEN to_jsonb(s) ->> 'suborigin' <> 'any'
          THEN 'origin = ' || quote_literal(to_jsonb(s) ->> 'suborigin') END) AS options
    FROM pg_subscription s
    WHERE s.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())`,
  );
  const drafts = rows.flatMap(({ key, connection, publications, options }): Draft[] => {
    const name = catalog.own.get(key)?.identity;
    if (name === undefined) return [];
    const from = `CONNECTION ${connection} PUBLICATION ${publications}`;
    return [
      {
        kind: "subscription",
        name,
        section: "post-data",
        statements: [`CREATE SUBSCRIPTION ${name} ${from} WITH (${options})`],
        rows: [key],
        rank: ranks.publication,
      },
    ];
  });
  return { drafts };
}

/** SQL for an option that is not what it is by default. */
function flag(option: string, column: string, usual: string): string {
  return `CASE WHEN to_jsonb(s) ->> '${column}' <> '${usual}'
    THEN '${option} = ' || (to_jsonb(s) ->> '${column}') END`;
}
