import { DbctlError } from "../../../core/errors.ts";
import type { Json, TableData } from "../engine.ts";
import type { ValueCodec } from "./value-codec.ts";

/** How a key's values are written as literals that compare as the column does. */
export type KeyColumn =
  | { name: string; kind: "integer" | "plain" | "binary" }
  | { name: string; kind: "text"; charset: string };

/** A column's type as the server stores it. */
export type StoredType = {
  /** `DATA_TYPE` in lower case. */
  type: string;
  /** Character set of its text; null for what is none, or has none of its own. */
  charset: string | null;
};

/** What the engine keeps in `TableData.details`. */
export interface TableDetails {
  /** One per column. */
  codecs: ValueCodec[];
  /** One per column. Backups of the first versions do not have it. */
  types?: StoredType[];
  /** Names of the columns that rows are ordered by: the clustered key, or none. */
  order: string[];
  /** The same key, when ranges of it can be compared with literals. */
  key: KeyColumn[] | null;
  /** Name of that key's index. */
  index: string | null;
  /** Whether the rows are all versions of a system-versioned table. */
  history: boolean;
}

export const rowFormat = "mysql-text-rows";

export function detailsToJson(details: TableDetails): Json {
  return {
    codecs: details.codecs.map((codec) => ({ ...codec })),
    ...(details.types === undefined ? {} : { types: details.types.map((type) => ({ ...type })) }),
    order: details.order,
    key: details.key === null ? null : details.key.map((column) => ({ ...column })),
    index: details.index,
    history: details.history,
  };
}

/** Details out of a manifest; whatever has not the right shape is damage. */
export function detailsOf({ name, columns, format, details }: TableData): TableDetails {
  const record = (json: Json | undefined) =>
    typeof json === "object" && json !== null && !Array.isArray(json) ? json : {};
  const { codecs, types, order, key, index, history } = record(details);
  const strings = (json: Json | undefined) =>
    Array.isArray(json) && json.every((one) => typeof one === "string");
  const named = (json: Json | undefined, field: string) =>
    Array.isArray(json) && json.every((one) => typeof record(one)[field] === "string");
  const sound =
    format === rowFormat &&
    named(codecs, "codec") &&
    Array.isArray(codecs) &&
    codecs.length === columns.length &&
    (types === undefined || named(types, "type")) &&
    strings(order) &&
    (key === null || (named(key, "name") && named(key, "kind"))) &&
    (index === null || typeof index === "string") &&
    typeof history === "boolean";
  if (sound) return details as unknown as TableDetails;
  throw new DbctlError("repository-damaged", `Cannot use table ${name}: its details are unknown`, {
    remedy: "Use the version of dbctl that made the backup, or a newer one",
  });
}
