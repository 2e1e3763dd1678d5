import type { UnsupportedObject } from "../engine.ts";
import type { Catalog } from "./catalog.ts";
import type { Draft } from "./draft.ts";
import { findMakers, linkDrafts } from "./order-drafts.ts";

/**
 * Finds the objects that no draft recreates, and takes out the drafts that need one of those:
 * their statements would fail. Attributes of what is unsupported go with it.
 */
export function settleUnsupported(
  catalog: Catalog,
  drafts: Draft[],
): { drafts: Draft[]; unsupported: UnsupportedObject[] } {
  const { dependencies, own, parts } = catalog;
  const makers = findMakers(drafts, dependencies);
  const missing = [...own.values()].filter(({ key }) => !makers.has(key));
  const gaps = missing.map(({ key, type, identity }): Draft => {
    return { kind: type, name: identity, section: "pre-data", statements: [], rows: [key] };
  });
  const dependents = new Map<Draft, Draft[]>();
  for (const [draft, needed] of linkDrafts([...drafts, ...gaps], dependencies))
    for (const need of needed) {
      const list = dependents.get(need) ?? [];
      list.push(draft);
      dependents.set(need, list);
    }
  const lost = new Set<Draft>(gaps);
  // A set grows while it is walked: dependents of dependents are found as well.
  for (const gap of lost) for (const draft of dependents.get(gap) ?? []) lost.add(draft);
  const dragged = drafts.filter((draft) => lost.has(draft) && draft.attribute !== true);
  return {
    drafts: drafts.filter((draft) => !lost.has(draft)),
    unsupported: [
      ...gaps
        .filter(({ rows: [key = ""] }) => !parts.has(key))
        .map(({ kind, name }) => ({ kind, name, remedy: remedyFor(kind) })),
      ...dragged.map(({ kind, name }) => ({ kind, name, remedy: dragRemedy })),
    ],
  };
}

const dragRemedy = "Make it again by hand after what it needs, which is unsupported as well";

function remedyFor(kind: string): string {
  return `Keep the statement that creates this ${kind} and run it by hand after a restore`;
}
