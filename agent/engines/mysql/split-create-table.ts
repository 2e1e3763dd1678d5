import { cutTokens, nameOf, significant, type SqlToken } from "./sql-tokens.ts";

/** A line of a table's definition: a column, key or constraint, as the server prints it. */
export interface TableItem {
  kind: "column" | "primary" | "key" | "fulltext" | "foreign-key" | "check" | "other";
  /** Name of a key or constraint; empty for the others. */
  name: string;
  sql: string;
}

export interface TableDefinition {
  /** Up to the opening parenthesis. */
  head: string;
  items: TableItem[];
  /** From the closing parenthesis on: options and partitions. */
  tail: string;
}

/** Splits what SHOW CREATE TABLE prints; undefined when it has not the form that is known. */
export function splitCreateTable(sql: string): TableDefinition | undefined {
  const tokens = cutTokens(sql);
  const open = tokens.findIndex(({ kind, raw }) => kind === "sign" && raw === "(");
  if (open === -1) return undefined;
  const items: SqlToken[][] = [[]];
  let depth = 0;
  for (let n = open; n < tokens.length; n++) {
    const token = tokens[n];
    if (token === undefined) break;
    const sign = token.kind === "sign" ? token.raw : "";
    if (sign === "(") depth++;
    if (sign === ")") depth--;
    if (depth === 0) {
      const head = joinTokens(tokens.slice(0, open));
      return { head, items: items.map(readItem), tail: joinTokens(tokens.slice(n)) };
    }
    if (sign === "," && depth === 1) items.push([]);
    else if (n > open) items.at(-1)?.push(token);
  }
  return undefined;
}

/** The definition as one statement again, with the items that are given. */
export function joinCreateTable({ head, tail }: TableDefinition, items: TableItem[]): string {
  return `${head}(\n  ${items.map(({ sql }) => sql).join(",\n  ")}\n${tail}`;
}

function joinTokens(tokens: SqlToken[]): string {
  return tokens.map(({ raw }) => raw).join("");
}

function readItem(tokens: SqlToken[]): TableItem {
  const sql = joinTokens(tokens).trim();
  const parts = significant(tokens);
  const words = parts
    .slice(0, 4)
    .map(({ kind, raw }) => (kind === "word" ? raw.toUpperCase() : ""));
  const nameAt = (n: number) => (parts[n] === undefined ? "" : (nameOf(parts[n]) ?? ""));
  if (parts[0]?.kind === "name") return { kind: "column", name: "", sql };
  switch (words[0] ?? "") {
    case "PRIMARY":
      return { kind: "primary", name: "PRIMARY", sql };
    case "KEY":
      return { kind: "key", name: nameAt(1), sql };
    case "UNIQUE":
    case "SPATIAL":
      return { kind: "key", name: nameAt(2), sql };
    case "FULLTEXT":
      return { kind: "fulltext", name: nameAt(2), sql };
    case "CONSTRAINT": {
      const kind =
        words[2] === "FOREIGN" ? "foreign-key" : words[2] === "CHECK" ? "check" : "other";
      return { kind, name: nameAt(1), sql };
    }
    default:
      return { kind: "other", name: "", sql };
  }
}
