import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BodyCutter } from "./body-cutter.ts";

const { signal } = new AbortController();

test("BodyCutter cuts any body into the sizes asked for, and loses nothing", async () => {
  const bytes = fc.uint8Array({ maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(fc.array(bytes), fc.integer({ min: 1, max: 30 }), async (pieces, size) => {
      const all = Buffer.concat(pieces);
      await using cutter = new BodyCutter(pieces, signal);
      const parts: Buffer[] = [];
      cutter.putBack(await cutter.take(7));
      while (!(await cutter.isAtEnd())) parts.push(Buffer.concat(await cutter.take(size)));
      assert.ok(Buffer.concat(parts).equals(all));
      assert.ok(parts.slice(0, -1).every((part) => part.length === size));
      assert.equal(parts.length, Math.ceil(all.length / size));
    }),
  );
});

test("BodyCutter ends a body that nobody reads to its end", async () => {
  let ended = false;
  const body = (function* () {
    try {
      for (;;) yield Buffer.from("abc");
    } finally {
      ended = true;
    }
  })();
  {
    await using cutter = new BodyCutter(body, signal);
    await cutter.take(4);
  }
  assert.ok(ended);
});
