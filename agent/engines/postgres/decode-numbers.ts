import { shortestFloat } from "../export/shortest-float.ts";
import type { ValueDecoder, ValueReader } from "./value-reader.ts";

/** From this exponent on, the server writes `e` (float.c, DBL_DIG and FLT_DIG). */
const [doubleDigits, floatDigits] = [15, 6];

export const decodeFloat8: ValueDecoder = (value) => formatFloat8(value.float8());

export function formatFloat8(number: number): string {
  return formatFloat(number, number.toExponential(), doubleDigits);
}

export const decodeFloat4: ValueDecoder = (value) => {
  const number = value.float4();
  const hasDigits = Number.isFinite(number) && number !== 0;
  const shortest = hasDigits ? Number(shortestFloat(number)) : number;
  return formatFloat(shortest, shortest.toExponential(), floatDigits);
};

/** `exponential`: the shortest digits, as `-1.25e+3`. */
function formatFloat(number: number, exponential: string, digitsLimit: number): string {
  if (Number.isNaN(number)) return "NaN";
  if (!Number.isFinite(number)) return number > 0 ? "Infinity" : "-Infinity";
  if (number === 0) return Object.is(number, -0) ? "-0" : "0";
  const [mantissa = "", power = "0"] = exponential.split("e");
  const exponent = Number(power);
  if (exponent < -4 || exponent >= digitsLimit) {
    const two = String(Math.abs(exponent)).padStart(2, "0");
    return `${mantissa}e${exponent < 0 ? "-" : "+"}${two}`;
  }
  const sign = mantissa.startsWith("-") ? "-" : "";
  const digits = mantissa.replace(/[-.]/g, "");
  if (exponent < 0) return `${sign}0.${"0".repeat(-exponent - 1)}${digits}`;
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, "0");
  const fraction = digits.slice(exponent + 1);
  return `${sign}${whole}${fraction === "" ? "" : `.${fraction}`}`;
}

const [positive, negative, notANumber] = [0x0000, 0x4000, 0xc000];
const [infinity, minusInfinity] = [0xd000, 0xf000];

/** numeric.c, numeric_send: digits of base 10000, weight of the first, sign, digits shown. */
export const decodeNumeric: ValueDecoder = (value) => {
  const [count, weight, sign, scale] = [value.u16(), value.i16(), value.u16(), value.u16()];
  if (sign === notANumber) return "NaN";
  if (sign === infinity) return "Infinity";
  if (sign === minusInfinity) return "-Infinity";
  if (sign !== positive && sign !== negative) throw new RangeError("its sign is unknown");
  if (count * 2 > value.left) throw new RangeError("its count of digits is wrong");
  const groups = Array.from({ length: count }, () => digitGroup(value));
  const group = (n: number) => groups[n] ?? "0000";
  let whole = "";
  for (let n = 0; n <= weight; n++) whole += group(n);
  whole = whole.replace(/^0+/, "") || "0";
  let fraction = "";
  for (let n = weight + 1; fraction.length < scale; n++) fraction += n < 0 ? "0000" : group(n);
  const digits = scale === 0 ? "" : `.${fraction.slice(0, scale)}`;
  return `${sign === negative ? "-" : ""}${whole}${digits}`;
};

function digitGroup(value: ValueReader): string {
  const digits = value.u16();
  if (digits > 9999) throw new RangeError("one of its digits is wrong");
  return String(digits).padStart(4, "0");
}

/** cash.c in the locale C, which our sessions have: two digits, groups of three. */
export const decodeMoney: ValueDecoder = (value) => {
  const cents = value.i64();
  const digits = String(cents < 0n ? -cents : cents).padStart(3, "0");
  const whole = digits.slice(0, -2).replace(/\B(?=(?:[0-9]{3})+$)/g, ",");
  return `${cents < 0n ? "-" : ""}$${whole}.${digits.slice(-2)}`;
};

/** varbit.c: length in bits, then the bits. */
export const decodeBits: ValueDecoder = (value) => {
  const length = value.i32();
  if (length < 0 || Math.ceil(length / 8) !== value.left)
    throw new RangeError("its length is wrong");
  const bits = [...value.rest()].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  return bits.slice(0, length);
};
