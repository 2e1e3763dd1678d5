import { DbctlError } from "../../../core/errors.ts";
import type { Json } from "../engine.ts";
import { quoteName } from "./quote.ts";
import type { KeyColumn } from "./table-details.ts";

/** A range of a key: above one value up to and with another; null is the open end. */
export interface KeyRange {
  after: string[] | null;
  upTo: string[] | null;
}

export const wholeTable: KeyRange = { after: null, upTo: null };

export function rangeToJson({ after, upTo }: KeyRange): Json {
  return { after, upTo };
}

/**
 * A key's value as literals: hexadecimal bytes with the column's own character set, so that the
 * comparison is the column's collation's.
 */
export function keyLiterals(key: KeyColumn[], values: (Buffer | null)[]): string[] {
  return key.map((column, n) => {
    const value = values[n];
    if (value === null || value === undefined) throw new TypeError("Cannot cut at NULL");
    const { kind } = column;
    if (kind === "text") return `_${column.charset} x'${value.toString("hex")}'`;
    if (kind === "binary") return `x'${value.toString("hex")}'`;
    if (!/^[-+0-9.:eE ]+$/.test(value.toString("latin1")))
      throw new TypeError("Cannot cut at a value that is neither number nor time");
    return kind === "integer" ? value.toString("latin1") : `'${value.toString("latin1")}'`;
  });
}

/** The range as a condition on the key's columns; empty for the whole table. */
export function keyCondition(key: KeyColumn[], range: Json): string {
  const { after, upTo } = parseRange(range, key.length);
  const names = key.map(({ name }) => quoteName(name));
  const conditions: string[] = [];
  if (after !== null) conditions.push(compareKey(names, after, { sign: ">", last: ">" }));
  if (upTo !== null) conditions.push(compareKey(names, upTo, { sign: "<", last: "<=" }));
  return conditions.join(" AND ");
}

/**
 * (a, b) > (x, y) spelled out, since the servers use no index for the short form:
 * a >= x AND (a > x OR (a = x AND b > y)).
 */
function compareKey(
  names: string[],
  values: string[],
  { sign, last }: { sign: string; last: string },
): string {
  const [name = "", ...restNames] = names;
  const [value = "", ...restValues] = values;
  if (restNames.length === 0) return `${name} ${last} ${value}`;
  const rest = compareKey(restNames, restValues, { sign, last });
  return `(${name} ${sign}= ${value} AND (${name} ${sign} ${value} OR (${name} = ${value} AND ${rest})))`;
}

function parseRange(json: Json, length: number): KeyRange {
  const bound = (end: Json | undefined): string[] | null | undefined => {
    if (end === null) return null;
    if (!Array.isArray(end) || end.length !== length) return undefined;
    return end.every((one) => typeof one === "string") ? end : undefined;
  };
  const isRecord = typeof json === "object" && json !== null && !Array.isArray(json);
  const after = isRecord ? bound(json["after"]) : undefined;
  const upTo = isRecord ? bound(json["upTo"]) : undefined;
  if (after !== undefined && upTo !== undefined) return { after, upTo };
  throw new DbctlError("internal-bug", "Cannot read a part: its range is malformed", {
    remedy: "Report this with the output of the same command under DBCTL_DEBUG=1",
  });
}
