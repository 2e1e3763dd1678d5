import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodeText, encodeText } from "./text.ts";

test("decodeText() and encodeText() give back any bytes", () => {
  const some = fc.oneof(
    fc.uint8Array(),
    fc.string({ unit: "grapheme" }).map((text) => Buffer.from(text)),
  );
  fc.assert(
    fc.property(fc.array(some), (pieces) => {
      const bytes = Buffer.concat(pieces);
      assert.deepEqual(encodeText(decodeText(bytes)), bytes);
    }),
  );
});

test("encodeText() and decodeText() give back any well-formed text", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      assert.equal(decodeText(encodeText(text)), text);
    }),
  );
});

test("decodeText() keeps what survives JSON", () => {
  const name = decodeText(Buffer.from([0x66, 0xff, 0xc3, 0xbc, 0xc3]));
  assert.equal(name, "f\udcffü\udcc3");
  assert.equal(JSON.parse(JSON.stringify(name)), name);
});
