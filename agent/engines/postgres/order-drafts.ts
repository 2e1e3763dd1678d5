import { DbctlError } from "../../../core/errors.ts";
import { sections } from "../engine.ts";
import type { Dependency } from "./catalog.ts";
import { type Draft, ranks } from "./draft.ts";

/** What each draft has to wait for, in a fixed order. */
export type Needs = Map<Draft, Draft[]>;

/**
 * Sorts drafts so that the statements of each section can run in order, whatever the oids: by
 * dependency, then rank, then name. What needs something of a later section moves there. A cycle
 * is cut at a view, which begins as a stub; one that cannot be cut is an error.
 */
export function orderDrafts(drafts: Draft[], dependencies: Dependency[]): Draft[] {
  let all = drafts.toSorted(compareDrafts);
  for (;;) {
    const needs = linkDrafts(all, dependencies);
    const { ordered, cycles } = visitAll(all, needs);
    const views = new Set([...cycles, ...findLateViews(ordered, needs)]);
    if (views.size > 0) {
      all = all
        .flatMap((draft) => (views.has(draft) ? cutView(draft) : [draft]))
        .toSorted(compareDrafts);
      continue;
    }
    const placed = moveLate(ordered, needs);
    return sections.flatMap((section) => placed.filter((draft) => draft.section === section));
  }
}

function compareDrafts(a: Draft, b: Draft): number {
  if (a.section !== b.section) return sections.indexOf(a.section) - sections.indexOf(b.section);
  const byRank = rankOf(a) - rankOf(b);
  if (byRank !== 0) return byRank;
  const [x, y] = [`${a.kind} ${a.name}`, `${b.kind} ${b.name}`];
  return x < y ? -1 : x > y ? 1 : 0;
}

function rankOf(draft: Draft): number {
  return draft.rank ?? ranks.create;
}

/** What pg_depend and the drafts themselves say, between drafts. */
export function linkDrafts(drafts: Draft[], dependencies: Dependency[]): Needs {
  const makers = findMakers(drafts, dependencies);
  const needed = new Map<Draft, Set<Draft>>(drafts.map((draft) => [draft, new Set()]));
  const link = (draft: Draft | undefined, key: string) => {
    const maker = makers.get(key);
    if (draft !== undefined && maker !== undefined && draft !== maker)
      needed.get(draft)?.add(maker);
  };
  for (const { from, to } of dependencies) link(makers.get(from), to);
  for (const draft of drafts) for (const key of draft.needs ?? []) link(draft, key);
  return new Map([...needed].map(([draft, set]) => [draft, [...set].toSorted(compareDrafts)]));
}

/**
 * The draft that recreates each catalog row. An internal part (deptype `i`; `I` and `P` for what
 * partitions got from their parent) is recreated with its whole, and a member with its extension.
 */
export function findMakers(drafts: Draft[], dependencies: Dependency[]): Map<string, Draft> {
  const makers = new Map(drafts.flatMap((draft) => draft.rows.map((key) => [key, draft] as const)));
  const parts = Map.groupBy(
    dependencies.filter(({ from, type }) => isInternal(from, type) && !makers.has(from)),
    ({ to }) => to,
  );
  // A map grows while it is walked: parts of parts are found as well.
  for (const [key, draft] of makers)
    for (const { from } of parts.get(key) ?? []) if (!makers.has(from)) makers.set(from, draft);
  return makers;
}

function isInternal(from: string, type: string): boolean {
  if (type === "i" || type === "e") return true;
  return (type === "I" || type === "P") && /^pg_(constraint|trigger):/.test(from);
}

/** Depth first, so that everything comes after what it needs; and the views to cut cycles at. */
function visitAll(drafts: Draft[], needs: Needs): { ordered: Draft[]; cycles: Set<Draft> } {
  const ordered = new Set<Draft>();
  const cycles = new Set<Draft>();
  const path: Draft[] = [];
  const visit = (draft: Draft) => {
    if (ordered.has(draft)) return;
    if (path.includes(draft)) {
      const cycle = path.slice(path.indexOf(draft));
      const view = cycle.find(({ stub }) => stub !== undefined);
      if (view === undefined) throw uncuttable(cycle);
      cycles.add(view);
      return;
    }
    path.push(draft);
    for (const need of needs.get(draft) ?? []) visit(need);
    path.pop();
    ordered.add(draft);
  };
  for (const draft of drafts) visit(draft);
  return { ordered: [...ordered], cycles };
}

function uncuttable(cycle: Draft[]): DbctlError {
  const names = cycle.map(({ kind, name }) => `${kind} ${name}`).join(", ");
  return new DbctlError(
    "object-unsupported",
    `Cannot order objects: they need each other: ${names}`,
    {
      remedy: "Break the cycle, for example with a function whose body is a string",
    },
  );
}

/** Views that directly need what can only be made after the data, such as a primary key. */
function findLateViews(ordered: Draft[], needs: Needs): Draft[] {
  const late = new Set<Draft>();
  const found: Draft[] = [];
  for (const draft of ordered) {
    if (draft.section !== "pre-data") late.add(draft);
    else if ((needs.get(draft) ?? []).some((need) => late.has(need))) {
      // What needs a view that is cut can do with its stub.
      if (draft.stub !== undefined) found.push(draft);
      else late.add(draft);
    }
  }
  return found;
}

/** First the view's shape (its relation), then, at the very end, its query (its rule). */
function cutView(view: Draft): Draft[] {
  const { stub = [], ...rest } = view;
  const isRule = (key: string) => key.startsWith("pg_rewrite:");
  const rows = view.rows.filter((key) => !isRule(key));
  return [
    { ...rest, kind: "view stub", statements: stub, rows },
    { ...rest, section: "post-data", rows: view.rows.filter(isRule), needs: rows },
  ];
}

/** What needs something of a later section comes last of all, where nothing runs in parallel. */
function moveLate(ordered: Draft[], needs: Needs): Draft[] {
  const places = new Map<Draft, number>();
  return ordered.map((draft) => {
    const own = sections.indexOf(draft.section);
    const needed = needs.get(draft) ?? [];
    const isLate = needed.some((need) => (places.get(need) ?? own) > own);
    if (isLate && draft.kind === "table") throw tooLate(draft, needed);
    places.set(draft, isLate ? sections.length - 1 : own);
    return isLate ? { ...draft, section: "post-data" } : draft;
  });
}

function tooLate(table: Draft, needs: Draft[]): DbctlError {
  const names = needs.map(({ kind, name }) => `${kind} ${name}`).join(", ");
  return new DbctlError(
    "object-unsupported",
    `Cannot order table ${table.name}: something it needs can only be made after its data: ${names}`,
    { remedy: "Change the function so that it does not refer to keys of tables" },
  );
}
