import { DbctlError } from "../../core/errors.ts";
import { nearestName } from "../../core/nearest-name.ts";
import type { TableEntry } from "../backup/backup-body.ts";
import { nameOf } from "../restore/load-tables.ts";

/** Patterns of `schema.name`, or of a name in any schema: `*`, `?`, `[a-z]`. */
export interface Selection {
  /** Nothing but these, when there are any. */
  include: readonly string[];
  exclude: readonly string[];
  /** Whether a pattern may match nothing. */
  allowNoMatch: boolean;
}

/** The tables that the patterns leave, in their order. */
export function chooseTables(
  tables: readonly TableEntry[],
  { include, exclude, allowNoMatch }: Selection,
): TableEntry[] {
  const find = (pattern: string) => {
    const matches = compile(pattern);
    const found = tables.filter((table) => matches(table));
    if (found.length === 0 && !allowNoMatch) throw unmatched(pattern, tables);
    return found;
  };
  const wanted = new Set(include.length === 0 ? tables : include.flatMap(find));
  for (const table of exclude.flatMap(find)) wanted.delete(table);
  return tables.filter((table) => wanted.has(table));
}

function compile(pattern: string): (table: TableEntry) => boolean {
  const source = pattern.replaceAll(/\[!?[^\]]+\]|[^]/g, (piece) => {
    if (piece === "*") return "[^]*";
    if (piece === "?") return "[^]";
    if (piece.length === 1) return piece.replace(/[\\^$.*+?()[\]{}|/-]/, String.raw`\$&`);
    const inner = piece.slice(1, -1).replaceAll(/[\\^[]/g, String.raw`\$&`);
    return inner.startsWith("!") ? `[^${inner.slice(1)}]` : `[${inner}]`;
  });
  const expression = new RegExp(`^(?:${source})$`, "u");
  const isQualified = pattern.includes(".");
  return (table) => expression.test(isQualified ? nameOf(table) : table.data.name);
}

function unmatched(pattern: string, tables: readonly TableEntry[]): DbctlError {
  const isQualified = pattern.includes(".");
  const names = new Set(tables.map((table) => (isQualified ? nameOf(table) : table.data.name)));
  const near: string[] = [];
  while (near.length < 3) {
    const name = nearestName(pattern, names);
    if (name === undefined) break;
    near.push(name);
    names.delete(name);
  }
  const shown = near.length > 0 ? near : [...names].slice(0, 3);
  return new DbctlError("usage", `Cannot find a table that matches "${pattern}"`, {
    remedy: `Did you mean ${shown.join(", ")}? --allow-no-match accepts a pattern without a match`,
  });
}
