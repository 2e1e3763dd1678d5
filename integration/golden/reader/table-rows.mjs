// Rows of a table as they lie in its streams: where each one ends, what they add up to, and how to
// write them as a file that the database's own client loads.

/** Each row of a stream, by the table's `format`; throws when the stream does not end with one. */
export function* splitRows({ format, columns }, stream) {
  const endOf = rowEnds[format];
  if (endOf === undefined) throw new Error(`the format of the rows, "${format}", is not known`);
  for (let start = 0; start < stream.length;) {
    const end = endOf(stream, start, columns.length);
    if (end <= start || end > stream.length) throw new Error("a stream ends inside a row");
    yield stream.subarray(start, end);
    start = end;
  }
}

const rowEnds = {
  /** A line feed ends a row; one within a value is written as `\n`. */
  "postgres-copy-text": (stream, start) => {
    const end = stream.indexOf(0x0a, start);
    return end === -1 ? stream.length + 1 : end + 1;
  },
  /** A count of fields (i16, big-endian), then of each its bytes (i32, -1: NULL) and itself. */
  "postgres-copy-binary": (stream, start, columns) => {
    if (stream.readUInt16BE(start) !== columns) throw new Error("a row has other columns");
    let at = start + 2;
    for (let column = 0; column < columns; column += 1)
      at += 4 + Math.max(stream.readInt32BE(at), 0);
    return at;
  },
  "mysql-text-rows": (stream, start, columns) => {
    let at = start;
    for (let column = 0; column < columns; column += 1) at = readValue(stream, at).end;
    return at;
  },
};

/** A length-encoded value of MySQL's protocol; without `value` it is NULL. */
function readValue(bytes, at) {
  const first = bytes[at];
  if (first === 0xfb) return { end: at + 1 };
  const width = { 0xfc: 2, 0xfd: 3, 0xfe: 6 }[first] ?? 0;
  if (first === 0xff || first === undefined) throw new Error("a value's length is not understood");
  // Of the 8 bytes after 0xfe the upper two are 0: no value has 2^48 bytes.
  const length = width === 0 ? first : bytes.readUIntLE(at + 1, width);
  const start = at + 1 + (first === 0xfe ? 8 : width);
  return { value: bytes.subarray(start, start + length), end: start + length };
}

/** How a table's file begins and ends, how a row is written in it, and what its name ends with. */
export const tableFiles = {
  "postgres-copy-text": { extension: "copy.txt", begin: "", row: (row) => row, end: "" },
  "postgres-copy-binary": {
    extension: "copy.bin",
    begin: Buffer.from("PGCOPY\n\xff\r\n\0" + "\0".repeat(8), "latin1"),
    row: (row) => row,
    end: Buffer.from([0xff, 0xff]),
  },
  /** As `SELECT … INTO OUTFILE` writes them and `LOAD DATA` reads them, `CHARACTER SET binary`. */
  "mysql-text-rows": { extension: "load.txt", begin: "", row: toLoadDataLine, end: "" },
};

function toLoadDataLine(row, columns) {
  const cells = [];
  let at = 0;
  for (let column = 0; column < columns; column += 1) {
    const { value, end } = readValue(row, at);
    cells.push(value === undefined ? "\\N" : escape(value.toString("latin1")));
    at = end;
  }
  return Buffer.from(`${cells.join("\t")}\n`, "latin1");
}

const escape = (text) => text.replaceAll(/[\\\t\n]/g, "\\$&").replaceAll("\0", "\\0");

/**
 * Adds rows up as `sums` of a table does: the digest is the sum, per half of 64 bits, of every row's
 * SipHash-1-3-128.
 */
export class RowSums {
  #key;
  #rows = 0;
  #bytes = 0;
  #low = 0n;
  #high = 0n;

  /** `key`: 16 bytes, the epoch's key of rows. */
  constructor(key) {
    this.#key = key;
  }

  add(row) {
    const [low, high] = sipHash13(this.#key, row);
    this.#rows += 1;
    this.#bytes += row.length;
    this.#low = u64(this.#low + low);
    this.#high = u64(this.#high + high);
  }

  get sums() {
    const hex = (half) => half.toString(16).padStart(16, "0");
    const digest = hex(this.#low) + hex(this.#high);
    return { rows: String(this.#rows), bytes: String(this.#bytes), digest };
  }
}

const u64 = (value) => BigInt.asUintN(64, value);
const rotate = (value, bits) => u64(value << bits) | (value >> (64n - bits));

/** SipHash with one round for each word, three at the end, and 16 bytes of output, as two halves. */
function sipHash13(key, message) {
  const [k0, k1] = [key.readBigUInt64LE(0), key.readBigUInt64LE(8)];
  const v = [
    k0 ^ 0x736f6d6570736575n,
    k1 ^ 0x646f72616e646f6dn ^ 0xeen,
    k0 ^ 0x6c7967656e657261n,
    k1 ^ 0x7465646279746573n,
  ];
  const whole = message.length - (message.length % 8);
  const last = Buffer.alloc(8);
  message.copy(last, 0, whole);
  last[7] = message.length % 256;
  for (let at = 0; at < whole; at += 8) absorb(v, message.readBigUInt64LE(at));
  absorb(v, last.readBigUInt64LE(0));
  v[2] ^= 0xeen;
  for (let round = 0; round < 3; round += 1) sipRound(v);
  const low = v[0] ^ v[1] ^ v[2] ^ v[3];
  v[1] ^= 0xddn;
  for (let round = 0; round < 3; round += 1) sipRound(v);
  return [low, v[0] ^ v[1] ^ v[2] ^ v[3]];
}

function absorb(v, word) {
  v[3] ^= word;
  sipRound(v);
  v[0] ^= word;
}

function sipRound(v) {
  v[0] = u64(v[0] + v[1]);
  v[1] = rotate(v[1], 13n) ^ v[0];
  v[0] = rotate(v[0], 32n);
  v[2] = u64(v[2] + v[3]);
  v[3] = rotate(v[3], 16n) ^ v[2];
  v[0] = u64(v[0] + v[3]);
  v[3] = rotate(v[3], 21n) ^ v[0];
  v[2] = u64(v[2] + v[1]);
  v[1] = rotate(v[1], 17n) ^ v[2];
  v[2] = rotate(v[2], 32n);
}
