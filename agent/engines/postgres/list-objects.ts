import type { ObjectList, SchemaObject } from "../engine.ts";
import { journalName, unfinishedObject } from "../restore-journal.ts";
import { readCatalog } from "./catalog.ts";
import type { CatalogSession } from "./catalog-rows.ts";
import type { Draft, DraftList } from "./draft.ts";
import { fillViews } from "./fill-views.ts";
import { listAggregates } from "./objects-aggregates.ts";
import { listBaseTypes } from "./objects-base-types.ts";
import { listCasts } from "./objects-casts.ts";
import { listCollations } from "./objects-collations.ts";
import { listForeign } from "./objects-foreign.ts";
import { listLosses } from "./objects-losses.ts";
import { listOperators } from "./objects-operators.ts";
import { listPublications } from "./objects-publications.ts";
import { listSearchObjects } from "./objects-search.ts";
import { listStatistics } from "./objects-statistics.ts";
import { listComments } from "./objects-comments.ts";
import { listConstraints } from "./objects-constraints.ts";
import { listDefaultGrants, listGrants } from "./objects-grants.ts";
import { listIndexes } from "./objects-indexes.ts";
import { listSubscriptions } from "./objects-subscriptions.ts";
import { listOwners } from "./objects-owners.ts";
import { listPolicies } from "./objects-policies.ts";
import { listRoutines } from "./objects-routines.ts";
import { listExtensions, listSchemas } from "./objects-schemas.ts";
import { listSequences } from "./objects-sequences.ts";
import { listTables } from "./objects-tables.ts";
import { listEventTriggers, listTriggers } from "./objects-triggers.ts";
import { listTypes } from "./objects-types.ts";
import { listViews } from "./objects-views.ts";
import { orderDrafts } from "./order-drafts.ts";
import { settleUnsupported } from "./settle-unsupported.ts";

const groups = [
  listSchemas,
  listExtensions,
  listCollations,
  listBaseTypes,
  listTypes,
  listRoutines,
  listAggregates,
  listOperators,
  listCasts,
  listSearchObjects,
  listForeign,
  listTables,
  listSequences,
  listConstraints,
  listIndexes,
  listViews,
  listTriggers,
  listEventTriggers,
  listPolicies,
  listStatistics,
  listPublications,
  listSubscriptions,
  listOwners,
  listGrants,
  listDefaultGrants,
  listComments,
  listLosses,
];

/**
 * Every object of the session's database, inside its transaction. What no group recreates, and
 * what needs such an object, is unsupported.
 */
export async function listObjects(session: CatalogSession): Promise<ObjectList> {
  const catalog = await readCatalog(session);
  const lists: DraftList[] = [];
  for (const list of groups) lists.push(await list(catalog));
  const settled = settleUnsupported(
    catalog,
    lists.flatMap((list) => list.drafts),
  );
  const filled = fillViews(settled.drafts, catalog.dependencies);
  const lost = lists.flatMap((list) => list.unsupported ?? []);
  const hasJournal = [...catalog.all.values()].some(
    ({ type, identity }) => type === "schema" && identity === journalName,
  );
  return {
    objects: orderDrafts(filled.drafts, catalog.dependencies)
      .filter(({ statements }) => statements.length > 0)
      .map(toObject),
    unsupported: sortNames([
      ...catalog.unknown,
      ...lost,
      ...settled.unsupported,
      ...filled.unsupported,
      ...(hasJournal ? [unfinishedObject] : []),
    ]),
    requires: sortNames(lists.flatMap((list) => list.requires ?? [])),
  };
}

function toObject({ kind, name, section, statements, cost }: Draft): SchemaObject {
  return { kind, name, section, statements, ...(cost === undefined ? {} : { cost }) };
}

/** In a fixed order, each once. */
function sortNames<Item extends { kind: string; name: string }>(items: Item[]): Item[] {
  const byName = new Map(items.map((item) => [`${item.kind} ${item.name}`, item]));
  return [...byName.keys()].sort().flatMap((key) => byName.get(key) ?? []);
}
