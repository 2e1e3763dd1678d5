import { type ValueDecoder, ValueReader } from "./value-reader.ts";

// Arrays (arrayfuncs.c), ranges (rangetypes.c) and multiranges (multirangetypes.c).

/** MAXDIM of the server. */
const mostDimensions = 6;

export function decodeArrayOf(element: ValueDecoder, delimiter = ","): ValueDecoder {
  return (value) => {
    const dimensions = value.count(8);
    if (dimensions > mostDimensions) throw new RangeError("it has too many dimensions");
    value.i32();
    value.u32();
    const sizes = Array.from({ length: dimensions }, () => ({
      length: value.i32(),
      from: value.i32(),
    }));
    if (dimensions === 0) return "{}";
    if (sizes.some(({ length }) => length <= 0)) throw new RangeError("its size is wrong");
    const isPlain = sizes.every(({ from }) => from === 1);
    const bounds = sizes.map(({ length, from }) => `[${from}:${from + length - 1}]`).join("");
    const items = readItems(value, {
      sizes: sizes.map(({ length }) => length),
      element,
      delimiter,
    });
    return `${isPlain ? "" : `${bounds}=`}${items}`;
  };
}

interface Items {
  sizes: number[];
  element: ValueDecoder;
  delimiter: string;
}

function readItems(value: ValueReader, { sizes, element, delimiter }: Items): string {
  const [length = 0, ...inner] = sizes;
  const items: string[] = [];
  for (let n = 0; n < length; n++) {
    if (inner.length > 0) items.push(readItems(value, { sizes: inner, element, delimiter }));
    else items.push(readElement(value, element, delimiter));
  }
  return `{${items.join(delimiter)}}`;
}

function readElement(value: ValueReader, element: ValueDecoder, delimiter: string): string {
  const length = value.i32();
  if (length === -1) return "NULL";
  const text = decodeWhole(element, value.take(length));
  const isPlain = text !== "" && !/[{}"\\\t-\r ]/.test(text) && !text.includes(delimiter);
  if (isPlain && text.toUpperCase() !== "NULL") return text;
  return `"${text.replace(/["\\]/g, String.raw`\$&`)}"`;
}

const flags = { empty: 1, fromIncluded: 2, toIncluded: 4, fromOpen: 8, toOpen: 16 };

export function decodeRangeOf(bound: ValueDecoder): ValueDecoder {
  return (value) => {
    const has = value.u8();
    if ((has & flags.empty) !== 0) return "empty";
    const read = (isOpen: boolean) =>
      isOpen ? "" : quoteBound(decodeWhole(bound, value.take(value.i32())));
    const from = read((has & flags.fromOpen) !== 0);
    const to = read((has & flags.toOpen) !== 0);
    const [opening, closing] = [has & flags.fromIncluded, has & flags.toIncluded];
    return `${opening === 0 ? "(" : "["}${from},${to}${closing === 0 ? ")" : "]"}`;
  };
}

export function decodeMultirangeOf(bound: ValueDecoder): ValueDecoder {
  const range = decodeRangeOf(bound);
  return (value) => {
    const ranges = Array.from({ length: value.count(5) }, () =>
      decodeWhole(range, value.take(value.i32())),
    );
    return `{${ranges.join(",")}}`;
  };
}

function quoteBound(text: string): string {
  if (text !== "" && !/["\\()[\],\t-\r ]/.test(text)) return text;
  return `"${text.replace(/["\\]/g, "$&$&")}"`;
}

/** Decodes a value that must use all of its bytes. */
export function decodeWhole(decode: ValueDecoder, bytes: Buffer): string {
  const reader = new ValueReader(bytes);
  const text = decode(reader);
  reader.finish();
  return text;
}
