import { decodeArrayOf, decodeMultirangeOf, decodeRangeOf } from "./decode-containers.ts";
import * as numbers from "./decode-numbers.ts";
import { decodeQuery, decodeVector } from "./decode-search.ts";
import * as shapes from "./decode-shapes.ts";
import * as times from "./decode-times.ts";
import type { ValueDecoder } from "./value-reader.ts";
import { arrays } from "./builtin-types.ts";

const text: ValueDecoder = (value) => value.rest().toString("latin1");
const unsigned: ValueDecoder = (value) => String(value.u32());
const int4: ValueDecoder = (value) => String(value.i32());
const int8: ValueDecoder = (value) => String(value.i64());

/** By oid of the type; those of ranges are in the tables below. */
const scalars: Record<number, ValueDecoder> = {
  16: (value) => (value.u8() === 0 ? "f" : "t"),
  17: (value) => `\\x${value.rest().toString("hex")}`,
  18: decodeLetter,
  19: text,
  20: int8,
  21: (value) => String(value.i16()),
  23: int4,
  25: text,
  26: unsigned,
  27: (value) => `(${value.u32()},${value.u16()})`,
  28: unsigned,
  29: unsigned,
  114: text,
  600: shapes.decodePoint,
  601: shapes.decodeSegment,
  602: shapes.decodePath,
  603: shapes.decodeBox,
  604: shapes.decodePolygon,
  628: shapes.decodeLine,
  650: shapes.decodeNetwork,
  700: numbers.decodeFloat4,
  701: numbers.decodeFloat8,
  718: shapes.decodeCircle,
  774: shapes.decodeMac8,
  790: numbers.decodeMoney,
  829: shapes.decodeMac,
  869: shapes.decodeNetwork,
  1042: text,
  1043: text,
  1082: times.decodeDate,
  1083: times.decodeTime,
  1114: times.decodeTimestamp,
  1184: times.decodeTimestampTz,
  1186: times.decodeInterval,
  1266: times.decodeTimeTz,
  1560: numbers.decodeBits,
  1562: numbers.decodeBits,
  1700: numbers.decodeNumeric,
  2950: (value) =>
    value
      .take(16)
      .toString("hex")
      .replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-"),
  3220: (value) => `${value.u32().toString(16)}/${value.u32().toString(16)}`.toUpperCase(),
  3614: decodeVector,
  3615: decodeQuery,
  3802: decodeJsonb,
};

/** A range and its multirange by the type of their bounds. */
const ranges: [range: number, multirange: number, bound: ValueDecoder][] = [
  [3904, 4451, int4],
  [3906, 4532, numbers.decodeNumeric],
  [3908, 4533, times.decodeTimestamp],
  [3910, 4534, times.decodeTimestampTz],
  [3912, 4535, times.decodeDate],
  [3926, 4536, int8],
];

const elements: Record<number, ValueDecoder> = {
  ...scalars,
  ...Object.fromEntries(
    ranges.flatMap(([range, multirange, bound]) => [
      [range, decodeRangeOf(bound)],
      [multirange, decodeMultirangeOf(bound)],
    ]),
  ),
};

const box = 603;

/** How the binary form of a built-in type becomes text, by the type's oid; arrays included. */
export const typeDecoders: ReadonlyMap<number, ValueDecoder> = new Map(
  Object.entries(elements).flatMap(([oid, decode]): [number, ValueDecoder][] => {
    const array = arrays[Number(oid)];
    const own: [number, ValueDecoder] = [Number(oid), decode];
    if (array === undefined) return [own];
    return [own, [array, decodeArrayOf(decode, Number(oid) === box ? ";" : ",")]];
  }),
);

/** A byte; beyond ASCII its text form depends on the release that reads it. */
function decodeLetter(value: Parameters<ValueDecoder>[0]): string {
  const byte = value.u8();
  if (byte > 0x7f) throw new RangeError('releases differ in how they read this "char"');
  return byte === 0 ? "" : String.fromCharCode(byte);
}

/** jsonb.c, jsonb_send: the version of the form, which is 1, then text. */
function decodeJsonb(value: Parameters<ValueDecoder>[0]): string {
  if (value.u8() !== 1) throw new RangeError("its version is unknown");
  return value.rest().toString("latin1");
}
