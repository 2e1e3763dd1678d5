import type { UnsupportedObject } from "../engine.ts";
import type { Dependency } from "./catalog.ts";
import { type Draft, ranks } from "./draft.ts";
import { linkDrafts, type Needs } from "./order-drafts.ts";

/**
 * Adds what fills the materialized views, each after those that it reads. One that reads an
 * unpopulated one cannot be filled again.
 */
export function fillViews(
  drafts: Draft[],
  dependencies: Dependency[],
): { drafts: Draft[]; unsupported: UnsupportedObject[] } {
  const unsupported: UnsupportedObject[] = [];
  const needs = linkDrafts(drafts, dependencies);
  const fills = drafts
    .filter(({ fill }) => fill === true)
    .flatMap((view): Draft[] => {
      const sources = findSources(view, needs);
      const empty = sources.find(({ fill }) => fill === false);
      if (empty === undefined) return [fillDraft(view, sources)];
      const remedy = `Refresh ${empty.name}, which it reads, before the next backup`;
      unsupported.push({ kind: "materialized view data", name: view.name, remedy });
      return [];
    });
  return { drafts: [...drafts, ...fills], unsupported };
}

/** The materialized views that a view reads, through other views and functions too. */
function findSources(view: Draft, needs: Needs): Draft[] {
  const reached = new Set<Draft>([view]);
  for (const draft of reached) for (const need of needs.get(draft) ?? []) reached.add(need);
  reached.delete(view);
  return [...reached].filter(({ fill }) => fill !== undefined);
}

function fillDraft(view: Draft, sources: Draft[]): Draft {
  const { name, rows } = view;
  return {
    kind: "materialized view data",
    name,
    section: "post-data",
    statements: [`REFRESH MATERIALIZED VIEW ${name}`],
    rows: [filled(view)],
    needs: [...rows, ...sources.map(filled)],
    rank: ranks.fill,
    attribute: true,
  };
}

/** Stands for the view's rows in the graph. */
function filled(view: Draft): string {
  return `rows of ${view.rows[0]}`;
}
