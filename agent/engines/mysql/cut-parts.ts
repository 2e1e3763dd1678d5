import type { Part, TableData } from "../engine.ts";
import { type KeyRange, keyCondition, keyLiterals, rangeToJson, wholeTable } from "./key-range.ts";
import { quoteName, quoteText } from "./quote.ts";
import type { Session } from "./session.ts";
import { detailsOf, type KeyColumn } from "./table-details.ts";

/** Bytes of a part, by the server's own estimate of row sizes. */
export const partBytes = 64 << 20;

interface Cutting {
  session: Session;
  table: TableData;
  key: KeyColumn[];
  index: string;
  /** Estimates: they decide where to cut, never what is copied. */
  rowBytes: number;
  partRows: number;
  signal: AbortSignal;
}

/** Cuts a table, on a session that has the snapshot, into ranges of its clustered key. */
export async function cutParts(
  session: Session,
  table: TableData,
  { signal, bytes = partBytes }: { signal: AbortSignal; bytes?: number },
): Promise<Part[]> {
  const { key, index } = detailsOf(table);
  const size = await estimateSize(session, table, signal);
  const whole = { table, range: rangeToJson(wholeTable), estimate: size.bytes };
  if (key === null || index === null || size.bytes <= bytes * 1.5) return [whole];
  const partRows = Math.max(1, Math.round(bytes / size.rowBytes));
  const cutting = { session, table, key, index, rowBytes: size.rowBytes, partRows, signal };
  const [only] = key;
  const isInteger = key.length === 1 && only?.kind === "integer";
  const ranges = isInteger ? await halveRanges(cutting) : await walkKey(cutting);
  const estimate = Math.round(size.bytes / ranges.length);
  return ranges.map((range) => ({ table, range: rangeToJson(range), estimate }));
}

async function estimateSize(session: Session, { name }: TableData, signal: AbortSignal) {
  const [row] = await session.query(
    `SELECT DATA_LENGTH AS bytes, AVG_ROW_LENGTH AS rowBytes FROM information_schema.TABLES
     WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ${quoteText(name)}`,
    { signal, act: `estimate the size of table ${name}` },
  );
  const number = (text: string | null | undefined) => Number(text ?? 0);
  return { bytes: number(row?.["bytes"]), rowBytes: Math.max(16, number(row?.["rowBytes"])) };
}

/**
 * Halves the key's range as long as the server expects too many rows in it. All borders are
 * multiples of powers of two: they stay where they are when rows are added at the end.
 */
async function halveRanges(cutting: Cutting): Promise<KeyRange[]> {
  const { session, table, key, signal } = cutting;
  const column = quoteName(key[0]?.name ?? "");
  const [row] = await session.query(
    `SELECT MIN(${column}) AS low, MAX(${column}) AS high FROM ${quoteName(table.name)}`,
    { signal, act: `cut table ${table.name}` },
  );
  if (typeof row?.["low"] !== "string" || typeof row["high"] !== "string") return [wholeTable];
  const [low, high] = [BigInt(row["low"]), BigInt(row["high"])];
  const borders: bigint[] = [];
  let step = 1n;
  while (floorTo(low, step) !== floorTo(high, step) && step < 1n << 65n) step *= 2n;
  // The two halves of the whole line have no common parent.
  const starts = [...new Set([floorTo(low, step), floorTo(high, step)])];
  if (starts.length === 2) borders.push(starts[1] ?? 0n);
  for (const start of starts) await halve(cutting, { start, step, low, high }, borders);
  const sorted = borders.toSorted((a, b) => (a < b ? -1 : 1));
  return betweenBorders(sorted.map((border) => [String(border - 1n)]));
}

interface Halving {
  start: bigint;
  step: bigint;
  low: bigint;
  high: bigint;
}

async function halve(cutting: Cutting, range: Halving, borders: bigint[]): Promise<void> {
  const { start, step, low, high } = range;
  if (step === 1n || start > high || start + step <= low) return;
  const max = (a: bigint, b: bigint) => (a > b ? a : b);
  const min = (a: bigint, b: bigint) => (a < b ? a : b);
  const [after, upTo] = [max(start, low) - 1n, min(start + step - 1n, high)];
  const literals = { after: [String(after)], upTo: [String(upTo)] };
  if ((await expectRows(cutting, literals)) <= cutting.partRows * 1.5) return;
  const half = step / 2n;
  const middle = start + half;
  if (middle > low && middle <= high) borders.push(middle);
  await halve(cutting, { ...range, step: half }, borders);
  await halve(cutting, { ...range, start: middle, step: half }, borders);
}

/** What the server's optimizer expects in a range: it looks into the index, not at the rows. */
async function expectRows(cutting: Cutting, range: KeyRange): Promise<number> {
  const { session, table, key, index, signal } = cutting;
  const rows = await session.query(
    `EXPLAIN SELECT ${quoteName(key[0]?.name ?? "")} FROM ${quoteName(table.name)}
     FORCE INDEX (${quoteName(index)}) WHERE ${keyCondition(key, rangeToJson(range))}`,
    { signal, act: `cut table ${table.name}` },
  );
  return Number(rows[0]?.["rows"] ?? 0);
}

/** Steps along the key, a part's count of rows at a time. */
async function walkKey(cutting: Cutting): Promise<KeyRange[]> {
  const { session, table, key, index, partRows, signal } = cutting;
  const columns = key.map(({ name }) => quoteName(name)).join(", ");
  const borders: string[][] = [];
  await session.execute("SET SESSION character_set_results = NULL", { signal });
  for (;;) {
    const range = { after: borders.at(-1) ?? null, upTo: null };
    const condition = keyCondition(key, rangeToJson(range));
    const { rows } = await session.queryRaw(
      `SELECT ${columns} FROM ${quoteName(table.name)} FORCE INDEX (${quoteName(index)})
       ${condition === "" ? "" : `WHERE ${condition}`}
       ORDER BY ${columns} LIMIT 1 OFFSET ${partRows - 1}`,
      { signal, act: `cut table ${table.name}` },
    );
    const [border] = rows;
    if (border === undefined) break;
    borders.push(keyLiterals(key, border));
  }
  await session.execute("SET SESSION character_set_results = utf8mb4", { signal });
  return betweenBorders(borders);
}

/** Ranges that together are the whole line: the first and the last have an open end. */
function betweenBorders(borders: string[][]): KeyRange[] {
  const ends = [null, ...borders, null];
  return ends.slice(1).map((upTo, n) => ({ after: ends[n] ?? null, upTo }));
}

function floorTo(value: bigint, step: bigint): bigint {
  const rest = ((value % step) + step) % step;
  return value - rest;
}
