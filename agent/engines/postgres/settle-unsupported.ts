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
  const { dependencies, own } = catalog;
  const makers = findMakers(drafts, dependencies);
  const missing = [...own.values()].filter(({ key }) => !makers.has(key));
  const gaps = missing.map(({ key, type, identity }): Draft => {
    return { kind: type, name: identity, section: "pre-data", statements: [], rows: [key] };
  });
  const needs = linkDrafts([...drafts, ...gaps], dependencies);
  const dependents = new Map<Draft, Draft[]>();
  for (const [draft, needed] of needs)
    for (const need of needed) dependents.set(need, [...(dependents.get(need) ?? []), draft]);
  const lost = new Set<Draft>(gaps);
  // A set grows while it is walked: dependents of dependents are found as well.
  for (const gap of lost) for (const draft of dependents.get(gap) ?? []) lost.add(draft);
  return {
    drafts: drafts.filter((draft) => !lost.has(draft)),
    unsupported: [...lost].flatMap((draft) => {
      if (draft.attribute === true) return [];
      const itself = gaps.includes(draft);
      const remedy = itself ? remedyFor(draft.kind) : `It needs an object that is not supported`;
      return [{ kind: draft.kind, name: draft.name, remedy }];
    }),
  };
}

function remedyFor(kind: string): string {
  return `Keep the statement that creates this ${kind} and run it by hand after a restore`;
}
