import { createHash } from "node:crypto";

/**
 * Signs as MariaDB's ed25519 plugin wants it: Ed25519 (RFC 8032, section 5.1) whose secret key is
 * the password, of any length. Node signs with keys of 32 bytes only.
 */
export function signWithPassword(password: Buffer, message: Buffer): Buffer {
  const hashed = sha512(password);
  const low = hashed.subarray(0, 32);
  low.writeUInt8(low.readUInt8(0) & 248, 0);
  low.writeUInt8((low.readUInt8(31) & 63) | 64, 31);
  const secret = toNumber(low);
  const publicKey = encodePoint(multiply(secret));
  const nonce = modulo(toNumber(sha512(hashed.subarray(32), message)), order);
  const commitment = encodePoint(multiply(nonce));
  const challenge = modulo(toNumber(sha512(commitment, publicKey, message)), order);
  const proof = modulo(nonce + challenge * secret, order);
  return Buffer.concat([commitment, toBytes(proof)]);
}

/** The field, the order of the base point, and the curve's constant d. */
const prime = 2n ** 255n - 19n;
const order = 2n ** 252n + 27742317777372353535851937790883648493n;
const d = modulo(-121665n * invert(121666n), prime);

/** Extended coordinates: x = X/Z, y = Y/Z, x * y = T/Z (RFC 8032, section 5.1.4). */
type Point = readonly [X: bigint, Y: bigint, Z: bigint, T: bigint];

const baseX = 15112221349535400772501151409588531511454012693041857206046113283949847762202n;
const baseY = modulo(4n * invert(5n), prime);
const base: Point = [baseX, baseY, 1n, modulo(baseX * baseY, prime)];

function add([x1, y1, z1, t1]: Point, [x2, y2, z2, t2]: Point): Point {
  const a = (y1 - x1) * (y2 - x2);
  const b = (y1 + x1) * (y2 + x2);
  const c = 2n * t1 * d * t2;
  const e = modulo(2n * z1 * z2, prime);
  const [f, g] = [modulo(b - a, prime), modulo(e - c, prime)];
  const [h, i] = [modulo(e + c, prime), modulo(b + a, prime)];
  const coordinates = [f * g, h * i, g * h, f * i].map((one) => modulo(one, prime));
  const [x = 0n, y = 0n, z = 0n, t = 0n] = coordinates;
  return [x, y, z, t];
}

function multiply(scalar: bigint): Point {
  let result: Point = [0n, 1n, 1n, 0n];
  let power = base;
  for (let rest = scalar; rest > 0n; rest >>= 1n) {
    if ((rest & 1n) === 1n) result = add(result, power);
    power = add(power, power);
  }
  return result;
}

function encodePoint([x, y, z]: Point): Buffer {
  const inverse = invert(z);
  const bytes = toBytes(modulo(y * inverse, prime));
  const sign = Number(modulo(x * inverse, prime) & 1n);
  bytes.writeUInt8(bytes.readUInt8(31) | (sign << 7), 31);
  return bytes;
}

/** By Fermat: a^(p-2). */
function invert(value: bigint): bigint {
  let result = 1n;
  let power = modulo(value, prime);
  for (let rest = prime - 2n; rest > 0n; rest >>= 1n) {
    if ((rest & 1n) === 1n) result = (result * power) % prime;
    power = (power * power) % prime;
  }
  return result;
}

function modulo(value: bigint, by: bigint): bigint {
  const rest = value % by;
  return rest < 0n ? rest + by : rest;
}

function sha512(...parts: Buffer[]): Buffer {
  const hash = createHash("sha512");
  for (const part of parts) hash.update(part);
  return hash.digest();
}

function toNumber(bytes: Buffer): bigint {
  return BigInt(`0x${Buffer.from(bytes).reverse().toString("hex")}`);
}

function toBytes(value: bigint): Buffer {
  return Buffer.from(value.toString(16).padStart(64, "0"), "hex").reverse();
}
