import { formatFloat8 } from "./decode-numbers.ts";
import type { ValueDecoder, ValueReader } from "./value-reader.ts";

// Geometry (geo_ops.c) and network addresses (network.c, inet_net_ntop.c).

const point = (value: ValueReader) =>
  `(${formatFloat8(value.float8())},${formatFloat8(value.float8())})`;
const points = (value: ValueReader, count: number) =>
  Array.from({ length: count }, () => point(value)).join(",");

export const decodePoint: ValueDecoder = point;
export const decodeSegment: ValueDecoder = (value) => `[${points(value, 2)}]`;
export const decodeBox: ValueDecoder = (value) => points(value, 2);
export const decodePolygon: ValueDecoder = (value) => `(${points(value, value.count(16))})`;
export const decodePath: ValueDecoder = (value) => {
  const isClosed = value.u8() !== 0;
  const all = points(value, value.count(16));
  return isClosed ? `(${all})` : `[${all}]`;
};
export const decodeLine: ValueDecoder = (value) =>
  `{${[value.float8(), value.float8(), value.float8()].map(formatFloat8).join(",")}}`;
export const decodeCircle: ValueDecoder = (value) =>
  `<${point(value)},${formatFloat8(value.float8())}>`;

const octets = (bytes: Buffer) => bytes.toString("hex").replace(/..\B/g, "$&:");

export const decodeMac: ValueDecoder = (value) => octets(value.take(6));
export const decodeMac8: ValueDecoder = (value) => octets(value.take(8));

/** PGSQL_AF_INET; PGSQL_AF_INET6 is one more. */
const ipv4 = 2;

/** `inet` and `cidr`; the second always shows its bits. */
export const decodeNetwork: ValueDecoder = (value) => {
  const [family, bits, isCidr, length] = [value.u8(), value.u8(), value.u8(), value.u8()];
  const most = family === ipv4 ? 32 : 128;
  if ((family !== ipv4 && family !== ipv4 + 1) || length * 8 !== most || bits > most)
    throw new RangeError("its address is wrong");
  const address = value.take(length);
  const text = family === ipv4 ? address.join(".") : formatIpv6(address);
  return isCidr === 0 && bits === most ? text : `${text}/${bits}`;
};

function formatIpv6(address: Buffer): string {
  const words = Array.from({ length: 8 }, (_, n) => address.readUInt16BE(n * 2));
  const { base, length } = longestZeros(words);
  const isIpv4 =
    base === 0 &&
    (length === 6 || (length === 7 && words[7] !== 1) || (length === 5 && words[5] === 0xffff));
  const shown = isIpv4 ? words.slice(0, 6) : words;
  const hex = (some: number[]) => some.map((word) => word.toString(16)).join(":");
  const tail = isIpv4 ? [address.subarray(12).join(".")] : [];
  if (length < 2) return hex(shown);
  const after = [hex(shown.slice(base + length)), ...tail].filter((part) => part !== "");
  return `${hex(shown.slice(0, base))}::${after.join(":")}`;
}

/** The longest run of zero words, the first of several. */
function longestZeros(words: number[]): { base: number; length: number } {
  let best = { base: -1, length: 0 };
  for (let base = 0; base < words.length; base++) {
    let length = 0;
    while (words[base + length] === 0) length++;
    if (length > best.length) best = { base, length };
    base += length;
  }
  return best;
}
