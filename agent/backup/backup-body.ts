import { DbctlError } from "../../core/errors.ts";
import type { ObjectList, ServerFacts, TableData, UnsupportedObject } from "../engines/engine.ts";
import type { RowSums } from "../pipeline/row-chunker.ts";

/** What the sealed half of a logical backup's manifest says. JSON; field names are the format. */
export interface BackupBody {
  /** The dbctl that wrote it. */
  tool: string;
  facts: ServerFacts;
  /** Where in the server's log the snapshot was. */
  position: Record<string, string>;
  list: ObjectList;
  tables: TableEntry[];
}

export interface TableEntry {
  data: TableData;
  /** Streams of the backup that hold this table's rows: numbers in its maps. */
  streams: number[];
  sums: TableSums;
}

/** `RowSums` as JSON can hold them: decimal counts, digest as 32 hexadecimal digits. */
export interface TableSums {
  rows: string;
  bytes: string;
  digest: string;
}

export function encodeSums({ rows, bytes, digest }: RowSums): TableSums {
  const hex = digest.map((half) => half.toString(16).padStart(16, "0"));
  return { rows: String(rows), bytes: String(bytes), digest: hex.join("") };
}

/** A backup that the repository has opened: what its writer said, and the streams it has. */
export interface OpenedBody {
  body: unknown;
  streams: readonly number[];
}

/**
 * Reads a body that the repository has opened: it is sealed, so it is what a host wrote; the check
 * is against hosts with a newer dbctl. Every stream must be one table's, and be there.
 */
export function parseBackupBody({ body, streams }: OpenedBody): BackupBody {
  if (!isBackupBody(body))
    throw new DbctlError("repository-newer", "Cannot read the backup: its content is not known", {
      remedy: "Use the dbctl version that wrote it, or a newer one",
    });
  const named = body.tables.flatMap((table) => table.streams);
  const there = new Set(streams);
  const fits = new Set(named).size === named.length && there.size === named.length;
  if (!fits || !named.every((stream) => there.has(stream)))
    throw new DbctlError(
      "repository-damaged",
      "Cannot read the backup: the rows of its tables are not those that it holds",
      { remedy: "Use another backup, and report this with the dbctl version that wrote it" },
    );
  return body;
}

function isBackupBody(body: unknown): body is BackupBody {
  if (typeof body !== "object" || body === null) return false;
  const { tool, facts, position, list, tables } = body as Partial<Record<string, unknown>>;
  return (
    typeof tool === "string" &&
    isObject(facts) &&
    isObject(position) &&
    isObject(list) &&
    Array.isArray(tables) &&
    tables.every((entry: unknown) => isObject(entry) && Array.isArray(entry["streams"]))
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

/** Fails with every object that the engine cannot back up, unless a partial backup was allowed. */
export function refuseUnsupported(unsupported: readonly UnsupportedObject[]): void {
  if (unsupported.length === 0) return;
  const named = unsupported.map(({ kind, name, remedy }) => `${kind} ${name} (${remedy})`);
  throw new DbctlError(
    "object-unsupported",
    `Cannot back up the database: ${unsupported.length} objects would be missing: ${named.join("; ")}`,
    { remedy: "Remove them, or accept a partial backup that lists them with --allow-missing" },
  );
}
