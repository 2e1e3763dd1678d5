import type { SchemaObject } from "../engine.ts";
import { quoteName } from "./quote.ts";
import { cutTokens, nameOf, significant } from "./sql-tokens.ts";

export interface View {
  object: SchemaObject;
  /** As the server prints it. */
  create: string;
  columns: string[];
}

/**
 * Puts views behind those whose names they mention. Where that is no order (two that mention each
 * other, if only as a column), a stub with the same columns comes first.
 */
export function orderViews(views: View[]): SchemaObject[] {
  const byName = new Map(views.map((view) => [view.object.name, view]));
  const waiting = new Map(views.map((view) => [view, findMentioned(view, byName)]));
  const ordered: SchemaObject[] = [];
  while (waiting.size > 0) {
    const ready = [...waiting].filter(([, needs]) => ![...needs].some((need) => waiting.has(need)));
    if (ready.length === 0) return [...ordered, ...replaceStubs([...waiting.keys()])];
    for (const [view] of ready) {
      ordered.push(view.object);
      waiting.delete(view);
    }
  }
  return ordered;
}

function findMentioned(view: View, views: Map<string, View>): Set<View> {
  const found = new Set<View>();
  for (const token of significant(cutTokens(view.create))) {
    const other = token.kind === "name" ? views.get(nameOf(token) ?? "") : undefined;
    if (other !== undefined && other !== view) found.add(other);
  }
  return found;
}

/** Stubs of all that wait, then the views themselves in place of their stubs. */
function replaceStubs(views: View[]): SchemaObject[] {
  const stubs = views.map(({ object, columns }): SchemaObject => {
    const list = columns.map((column) => `1 AS ${quoteName(column)}`).join(", ");
    const statements = [`CREATE VIEW ${quoteName(object.name)} AS SELECT ${list}`];
    return { ...object, kind: "view stub", statements };
  });
  const real = views.map(({ object }) => ({
    ...object,
    statements: [`DROP VIEW ${quoteName(object.name)}`, ...object.statements],
  }));
  return [...stubs, ...real];
}
