import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RowChunker, type RowSums } from "./row-chunker.ts";
import type { Framing } from "./row-sink.ts";

const key = Buffer.from("000102030405060708090a0b0c0d0e0f", "hex");

function collect() {
  const chunks: Buffer[] = [];
  const target = {
    add: (chunk: Uint8Array) => void chunks.push(Buffer.from(chunk)),
    full: false,
    drained: () => Promise.resolve(),
  };
  return { chunks, chunker: new RowChunker(target, key) };
}

/** Feeds a stream in pieces, as a socket would; what a scan leaves goes in front of the next. */
function feed(chunker: RowChunker, framing: Framing, { stream, pieces }: Feed) {
  let kept = 0;
  let at = 0;
  for (const size of [...pieces, stream.length]) {
    const end = Math.min(at + size, stream.length);
    while (at < end) {
      const n = Math.min(end - at, chunker.input.length - kept);
      chunker.input.set(stream.subarray(at, at + n), kept);
      at += n;
      const result = chunker.scan(framing, 0, kept + n);
      if (result.kind === "other-message") return at - (kept + n - result.at);
      chunker.input.copyWithin(0, result.at, kept + n);
      kept = kept + n - result.at;
    }
  }
  return at - kept;
}
interface Feed {
  stream: Buffer;
  pieces: number[];
}

function copyData(payload: Buffer): Buffer {
  const header = Buffer.alloc(5);
  header.write("d");
  header.writeUInt32BE(payload.length + 4, 1);
  return Buffer.concat([header, payload]);
}

const copyHeader = Buffer.from("5047434f50590aff0d0a000000000000000000", "hex");
const copyDone = Buffer.from("6300000004", "hex");

function postgresBinary(rows: Buffer[]): Buffer {
  const payloads = [...rows, Buffer.from("ffff", "hex")];
  const messages = payloads.map((row, n) =>
    copyData(n === 0 ? Buffer.concat([copyHeader, row]) : row),
  );
  return Buffer.concat([...messages, copyDone]);
}

function mysqlRows(rows: Buffer[]): Buffer {
  const packets = rows.flatMap((row) => {
    const pieces: Buffer[] = [];
    for (let at = 0; at <= row.length; at += 0xffffff) pieces.push(row.subarray(at, at + 0xffffff));
    return pieces;
  });
  const framed = packets.map((packet, n) => {
    const header = Buffer.alloc(4);
    header.writeUIntLE(packet.length, 0, 3);
    header[3] = n & 0xff;
    return Buffer.concat([header, packet]);
  });
  return Buffer.concat([...framed, Buffer.from("05000000fe00000200", "hex")]);
}

const row = fc.uint8Array({ minLength: 3, maxLength: 40 }).map((bytes) => {
  const buffer = Buffer.from(bytes);
  buffer[0] = 0;
  return buffer;
});

for (const [framing, encode] of [
  ["postgres-copy-binary", postgresBinary],
  ["mysql-rows", mysqlRows],
] as const) {
  test(`scan() of ${framing} keeps the rows, whatever the borders of the pieces`, () => {
    const property = fc.property(
      fc.array(row, { maxLength: 20 }),
      fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 40 }),
      (rows, pieces) => {
        const { chunks, chunker } = collect();
        chunker.beginPart();
        const stream = encode(rows);
        const stop = feed(chunker, framing, { stream, pieces });
        const sums = chunker.endPart();
        assert.equal(sums.rows, BigInt(rows.length));
        assert.deepEqual(Buffer.concat(chunks), Buffer.concat(rows));
        assert.ok(stop < stream.length);
      },
    );
    fc.assert(property);
  });
}

test("endPart() refuses a binary COPY without its trailer", () => {
  const { chunker } = collect();
  chunker.beginPart();
  const stream = copyData(Buffer.concat([copyHeader, Buffer.from("0001ffffffff", "hex")]));
  feed(chunker, "postgres-copy-binary", { stream, pieces: [] });
  assert.throws(() => chunker.endPart(), /ended too early/);
});

test("scan() refuses a message longer than the protocol allows", () => {
  const { chunker } = collect();
  chunker.beginPart();
  const stream = Buffer.from("64ffffffff00", "hex");
  assert.throws(() => feed(chunker, "postgres-copy-text", { stream, pieces: [] }), /malformed/);
});

test("scan() refuses MySQL packets that are not in their order", () => {
  const rows = [1, 2, 3, 4].map((byte) => Buffer.of(1, byte, 0));
  const packets = Array.from({ length: 5 }, (_, n) => mysqlRows(rows).subarray(n * 7, n * 7 + 7));
  const [a, b, c, d] = packets;
  assert.ok(a && b && c && d);
  for (const wrong of [
    [a, c, d],
    [a, b, d, c],
    [a, a],
  ]) {
    const { chunker } = collect();
    chunker.beginPart();
    const stream = Buffer.concat(wrong);
    assert.throws(() => feed(chunker, "mysql-rows", { stream, pieces: [] }), /malformed/);
  }
});

/** SipHash-1-3 with 128 bits, straight from the paper, to check the WebAssembly against. */
function sipHash13(message: Buffer, k0: bigint, k1: bigint): [bigint, bigint] {
  const mask = (1n << 64n) - 1n;
  const rotl = (x: bigint, n: bigint) => ((x << n) | (x >> (64n - n))) & mask;
  let [v0, v1, v2, v3] = [
    k0 ^ 0x736f6d6570736575n,
    k1 ^ 0x646f72616e646f6dn ^ 0xeen,
    k0 ^ 0x6c7967656e657261n,
    k1 ^ 0x7465646279746573n,
  ];
  const round = () => {
    v0 = (v0 + v1) & mask;
    v1 = rotl(v1, 13n) ^ v0;
    v0 = rotl(v0, 32n);
    v2 = (v2 + v3) & mask;
    v3 = rotl(v3, 16n) ^ v2;
    v0 = (v0 + v3) & mask;
    v3 = rotl(v3, 21n) ^ v0;
    v2 = (v2 + v1) & mask;
    v1 = rotl(v1, 17n) ^ v2;
    v2 = rotl(v2, 32n);
  };
  const padded = Buffer.alloc(Math.floor(message.length / 8) * 8 + 8);
  message.copy(padded);
  padded[padded.length - 1] = message.length & 0xff;
  for (let at = 0; at < padded.length; at += 8) {
    const m = padded.readBigUInt64LE(at);
    v3 ^= m;
    round();
    v0 ^= m;
  }
  v2 ^= 0xeen;
  for (let i = 0; i < 3; i++) round();
  const low = v0 ^ v1 ^ v2 ^ v3;
  v1 ^= 0xddn;
  for (let i = 0; i < 3; i++) round();
  return [low, v0 ^ v1 ^ v2 ^ v3];
}

function sumsOf(rows: Buffer[]): RowSums & { chunks: Buffer[] } {
  const { chunks, chunker } = collect();
  chunker.beginPart();
  for (const one of rows) chunker.pushRow(one);
  return { ...chunker.endPart(), chunks };
}

test("the digest is the sum of SipHash-1-3-128 over rows of any size", () => {
  const rows = [0, 1, 7, 8, 9, 63, 3_000_000].map((n) => Buffer.alloc(n, n + 1));
  const mask = (1n << 64n) - 1n;
  const [k0, k1] = [key.readBigUInt64LE(0), key.readBigUInt64LE(8)];
  const expected = rows
    .map((one) => sipHash13(one, k0, k1))
    .reduce(([a, b], [c, d]) => [(a + c) & mask, (b + d) & mask]);
  assert.deepEqual(sumsOf(rows).digest, expected);
});

const randomRow = (seed: number, length: number) => {
  const bytes = Buffer.alloc(length);
  let x = seed * 2654435761;
  for (let i = 0; i + 4 <= length; i += 4) {
    x = (Math.imul(x, 1664525) + 1013904223) | 0;
    bytes.writeInt32LE(x, i);
  }
  return bytes;
};

test("chunks are 256 KiB to 4 MiB, about 1 MiB, and find their borders again", () => {
  const rows = Array.from({ length: 200_000 }, (_, n) => randomRow(n, 100));
  const first = sumsOf(rows).chunks;
  const mean = (200_000 * 100) / first.length;
  assert.ok(mean > 500_000 && mean < 2_000_000, `mean ${mean}`);
  const known = new Set(first.map((chunk) => chunk.toString("latin1")));
  const changed = sumsOf([randomRow(-1, 100), ...rows]).chunks;
  const fresh = changed.filter((chunk) => !known.has(chunk.toString("latin1")));
  assert.ok(fresh.length <= 3, `${fresh.length} of ${changed.length} chunks changed`);
});

test("a row of 1 MiB or more stands in chunks of its own, equal wherever it stands", () => {
  const big = randomRow(1, 5_000_000);
  const near = sumsOf([randomRow(2, 10), big, randomRow(3, 10)]).chunks;
  const far = sumsOf([randomRow(4, 3333), big]).chunks;
  const pieces = near.slice(1, -1).map((chunk) => chunk.length);
  assert.deepEqual(pieces, [1048576, 1048576, 1048576, 1048576, 5_000_000 - 4 * 1048576]);
  assert.deepEqual(near.slice(1, -1), far.slice(1));
});
