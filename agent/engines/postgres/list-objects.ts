import type { ObjectList, SchemaObject } from "../engine.ts";
import { readCatalog } from "./catalog.ts";
import type { CatalogSession } from "./catalog-rows.ts";
import type { Draft, DraftList } from "./draft.ts";
import { listConstraints } from "./objects-constraints.ts";
import { listIndexes } from "./objects-indexes.ts";
import { listExtensions, listSchemas } from "./objects-schemas.ts";
import { listSequences } from "./objects-sequences.ts";
import { listTables } from "./objects-tables.ts";
import { orderDrafts } from "./order-drafts.ts";
import { settleUnsupported } from "./settle-unsupported.ts";

const groups = [
  listSchemas,
  listExtensions,
  listTables,
  listSequences,
  listConstraints,
  listIndexes,
];

/**
 * Every object of the session's database, inside its transaction. What no group recreates, and
 * what needs such an object, is unsupported.
 */
export async function listObjects(session: CatalogSession): Promise<ObjectList> {
  const catalog = await readCatalog(session);
  const lists: DraftList[] = [];
  for (const list of groups) lists.push(await list(catalog));
  const { drafts, unsupported } = settleUnsupported(
    catalog,
    lists.flatMap((list) => list.drafts),
  );
  const lost = lists.flatMap((list) => list.unsupported ?? []);
  return {
    objects: orderDrafts(drafts, catalog.dependencies)
      .filter(({ statements }) => statements.length > 0)
      .map(toObject),
    unsupported: sortNames([...catalog.unknown, ...lost, ...unsupported]),
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
