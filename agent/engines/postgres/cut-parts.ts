import type { Part, TableData } from "../engine.ts";
import { violation } from "./messages.ts";
import { quoteLiteral, quoteQualified } from "./quote.ts";
import type { PostgresSession } from "./session.ts";

/** Blocks of a table, `from` included, `to` not; null is open. */
export interface BlockRange {
  from: number | null;
  to: number | null;
}

const partBytes = 64 << 20;
/** The first release that reads a range of ctids without reading the whole table. */
const rangeScanMajor = 14;

/** Cuts a table into parts of about 64 MB that together hold each row once. */
export async function cutParts(session: PostgresSession, table: TableData): Promise<Part[]> {
  const { blocks, bytes, isHeap } = await measure(session, table);
  const isOne = session.major < rangeScanMajor || !isHeap;
  const ranges = isOne ? [{ from: null, to: null }] : cutRanges({ blocks, bytes });
  const estimate = bytes / ranges.length;
  return ranges.map((range) => ({ table, range: { ...range }, estimate }));
}

/**
 * The length of a range is a power of two of blocks, so that its borders stay where they are when
 * the table grows, and with them the chunks. The last range is open: rows of the snapshot may be
 * in blocks that came after the measuring, but none is missed.
 */
export function cutRanges({ blocks, bytes }: { blocks: number; bytes: number }): BlockRange[] {
  const wanted = Math.log2(partBytes / (bytes / blocks));
  const step = blocks === 0 ? 1 : 2 ** Math.max(0, Math.round(wanted));
  const count = Math.max(1, Math.ceil(blocks / step));
  return Array.from({ length: count }, (_, i) => ({
    from: i === 0 ? null : i * step,
    to: i === count - 1 ? null : (i + 1) * step,
  }));
}

/** The condition on ctid, with its WHERE; empty for the whole table. */
export function conditionOf({ range }: Part): string {
  const { from, to } = parseRange(range);
  const limits = [
    ...(from === null ? [] : [`ctid >= '(${from},0)'::pg_catalog.tid`]),
    ...(to === null ? [] : [`ctid < '(${to},0)'::pg_catalog.tid`]),
  ];
  return limits.length === 0 ? "" : ` WHERE ${limits.join(" AND ")}`;
}

function parseRange(range: Part["range"]): BlockRange {
  const isBorder = (value: unknown) => value === null || Number.isSafeInteger(value);
  const { from, to } = (range ?? {}) as unknown as BlockRange;
  if (isBorder(from) && isBorder(to)) return { from, to };
  throw new TypeError("Cannot read a part: its range is not one of PostgreSQL's");
}

async function measure(session: PostgresSession, table: TableData) {
  const name = quoteLiteral(quoteQualified(table));
  const [row] = await session.query(
    `SELECT pg_catalog.pg_relation_size(c.oid) / pg_catalog.current_setting('block_size')::bigint
         AS blocks,
       pg_catalog.pg_relation_size(c.oid)
         + COALESCE(pg_catalog.pg_relation_size(NULLIF(c.reltoastrelid, 0)), 0) AS bytes,
       COALESCE(a.amname = 'heap', true) AS heap
     FROM pg_catalog.pg_class AS c
     LEFT JOIN pg_catalog.pg_am AS a ON a.oid = c.relam AND a.amtype = 't'
     WHERE c.oid = ${name}::pg_catalog.regclass`,
    { doing: `cut table ${table.schema}.${table.name} into parts` },
  );
  const [blocks, bytes] = [Number(row?.["blocks"]), Number(row?.["bytes"])];
  if (!Number.isSafeInteger(blocks) || !Number.isSafeInteger(bytes))
    throw violation("it does not tell the size of a table");
  return { blocks, bytes, isHeap: row?.["heap"] === "t" };
}
