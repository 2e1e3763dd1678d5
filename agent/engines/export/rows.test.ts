import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ByteBuffer } from "./byte-buffer.ts";
import type { CellColumn, RowFormatter } from "./cells.ts";
import { CsvRows } from "./csv-rows.ts";
import { exactNumber, JsonRows } from "./json-rows.ts";
import { shortestFloat } from "./shortest-float.ts";

const columns: CellColumn[] = [
  { name: 'te"xt', kind: "text", charset: undefined, json: "string" },
  { name: "bytes", kind: "bytes", charset: undefined, json: "string" },
];

/** Gives a value in pieces that end at the cuts. */
function give(formatter: RowFormatter, column: number, value: Buffer, cuts: number[]): void {
  const ends = [...new Set(cuts.map((cut) => cut % (value.length + 1)))].toSorted((a, b) => a - b);
  const all = [0, ...ends, value.length];
  for (let n = 1; n < all.length; n++) {
    const piece = value.subarray(all[n - 1], all[n]);
    const part = { first: n === 1, last: n === all.length - 1 };
    if (column === 0) formatter.text(column, piece, part);
    else formatter.bytes(column, piece, part);
  }
}

const row = fc.record({
  text: fc.option(fc.string({ unit: "binary" }).filter((text) => text.isWellFormed())),
  bytes: fc.option(fc.uint8Array()),
  cuts: fc.array(fc.nat(), { maxLength: 3 }),
});

function write(
  formatter: RowFormatter,
  rows: (typeof row extends fc.Arbitrary<infer T> ? T : never)[],
) {
  for (const { text, bytes, cuts } of rows) {
    if (text === null) formatter.null(0);
    else give(formatter, 0, Buffer.from(text), cuts);
    if (bytes === null) formatter.null(1);
    else give(formatter, 1, Buffer.from(bytes), cuts);
    formatter.endRow();
  }
}

test("JSON lines read back are the rows, wherever values were cut", () => {
  fc.assert(
    fc.property(fc.array(row), (rows) => {
      const out = new ByteBuffer();
      write(new JsonRows(out, columns), rows);
      const lines = out.take().toString().split("\n").slice(0, -1);
      const found = lines.map((line) => JSON.parse(line) as Record<string, string | null>);
      assert.deepEqual(
        found.map((one) => [one['te"xt'], one["bytes"]]),
        rows.map(({ text, bytes }) => [
          text,
          bytes === null ? null : Buffer.from(bytes).toString("base64"),
        ]),
      );
    }),
  );
});

/** RFC 4180, with NULL where a field is empty and not quoted. */
function parseCsv(text: string): (string | null)[][] {
  const rows: (string | null)[][] = [[]];
  for (const [, quoted, plain = "", end] of text.matchAll(
    /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/g,
  )) {
    rows.at(-1)?.push(quoted === undefined ? plain || null : quoted.replaceAll('""', '"'));
    if (end === "\r\n") rows.push([]);
  }
  return rows.slice(0, -1);
}

test("CSV read back is the rows, and tells NULL from the empty text", () => {
  fc.assert(
    fc.property(fc.array(row), (rows) => {
      const out = new ByteBuffer();
      write(new CsvRows(out, { columns: ["a", "b"], bytesPrefix: "0x" }), rows);
      assert.deepEqual(
        parseCsv(out.take().toString()),
        rows.map(({ text, bytes }) => [
          text,
          bytes === null ? null : `0x${Buffer.from(bytes).toString("hex")}`,
        ]),
      );
    }),
  );
});

test("exactNumber() keeps what a double holds, and nothing else", () => {
  const cases: [string, "integer" | "float", string | undefined][] = [
    ["9007199254740991", "integer", "9007199254740991"],
    ["9007199254740993", "integer", undefined],
    ["000042", "integer", "42"],
    ["-0", "float", "-0"],
    ["1e+20", "float", "1e+20"],
    ["NaN", "float", undefined],
    ["Infinity", "float", undefined],
    ["", "integer", undefined],
    ["1e999", "float", undefined],
  ];
  for (const [text, kind, found] of cases) assert.equal(exactNumber(text, kind), found, text);
});

test("shortestFloat() gives the same float again, with no digit too many", () => {
  fc.assert(
    fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (value) => {
      fc.pre(value !== 0);
      assert.equal(Math.fround(Number(shortestFloat(value))), value);
    }),
  );
  assert.equal(shortestFloat(Math.fround(0.1)), "0.1");
  assert.equal(shortestFloat(16777216), "16777216");
});
