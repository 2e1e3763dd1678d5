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
  // A power of two, so that estimates that drift do not move the borders.
  const partRows = Math.max(1, 2 ** Math.round(Math.log2(bytes / size.rowBytes)));
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
  let step = 1n;
  while (floorTo(low, step) !== floorTo(high, step) && step < 1n << 64n) step *= 2n;
  // The two halves of the whole line have no common parent.
  const starts = [...new Set([floorTo(low, step), floorTo(high, step)])];
  const borders = starts.slice(1);
  for (const start of starts) {
    const range = { start, step, low, high };
    await halve(cutting, { ...range, rows: await expectRows(cutting, range) }, borders);
  }
  const sorted = borders.toSorted((a, b) => (a < b ? -1 : 1));
  return betweenBorders(sorted.map((border) => [String(border - 1n)]));
}

/** Key values from `start` on, `step` of them, of which the table has those from low to high. */
interface Span {
  start: bigint;
  step: bigint;
  low: bigint;
  high: bigint;
}

async function halve(
  cutting: Cutting,
  { rows, ...span }: Span & { rows: number },
  borders: bigint[],
): Promise<void> {
  if (rows <= cutting.partRows || span.step === 1n) return;
  const step = span.step / 2n;
  const [left, right] = [
    { ...span, step },
    { ...span, step, start: span.start + step },
  ];
  const inLeft = await expectRows(cutting, left);
  const inRight = await expectRows(cutting, right);
  // What is empty (the server says 1 then) needs no part of its own.
  if (inLeft > 1 && inRight > 1) borders.push(right.start);
  await halve(cutting, { ...left, rows: inLeft }, borders);
  await halve(cutting, { ...right, rows: inRight }, borders);
}

/**
 * What the server's optimizer expects in a span: it looks into the index, not at the rows. Its
 * guess is often twice the truth, but a unique key has no more rows than values.
 */
async function expectRows(
  { session, table, key, index, signal }: Cutting,
  { start, step, low, high }: Span,
): Promise<number> {
  const first = start > low ? start : low;
  const last = start + step - 1n < high ? start + step - 1n : high;
  if (first > last) return 0;
  const range = rangeToJson({ after: [String(first - 1n)], upTo: [String(last)] });
  const rows = await session.query(
    `EXPLAIN SELECT ${quoteName(key[0]?.name ?? "")} FROM ${quoteName(table.name)}
     FORCE INDEX (${quoteName(index)}) WHERE ${keyCondition(key, range)}`,
    { signal, act: `cut table ${table.name}` },
  );
  return Math.min(Number(rows[0]?.["rows"] ?? 0), Number(last - first + 1n));
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
