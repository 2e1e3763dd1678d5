import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { cutRows } from "./row-pieces.ts";

// oxlint-disable-next-line typescript/require-await
async function* inChunks(text: Buffer, cuts: number[]): AsyncGenerator<Buffer> {
  const borders = [0, ...cuts.map((cut) => cut % (text.length + 1)), text.length];
  borders.sort((a, b) => a - b);
  for (const [n, from] of borders.entries()) yield text.subarray(from, borders[n + 1]);
}

async function piecesOf(text: Buffer, cuts: number[], size: number): Promise<string[]> {
  const pieces: string[] = [];
  for await (const { bytes } of cutRows(inChunks(text, cuts), size)) {
    const all = await Array.fromAsync(bytes);
    pieces.push(Buffer.concat(all).toString("latin1"));
  }
  return pieces;
}

/** Rows as the server tells them apart, one byte after the other. */
function splitRows(text: string): string[] {
  const rows: string[] = [];
  let row = "";
  for (let at = 0; at < text.length; at++) {
    const isEscape = text[at] === "\\";
    row += isEscape ? text.slice(at, at + 2) : text[at];
    if (isEscape) at++;
    else if (text[at] === "\n") {
      rows.push(row);
      row = "";
    }
  }
  return row === "" ? rows : [...rows, row];
}

test("cutRows() gives all bytes in their order, and cuts only where a row ends", async () => {
  const letter = fc.constantFrom("a", "b\t", "\\\\", "\\\n", "\\N", "\n");
  await fc.assert(
    fc.asyncProperty(
      fc.array(letter, { maxLength: 60 }),
      fc.array(fc.nat(200), { maxLength: 10 }),
      fc.integer({ min: 1, max: 20 }),
      async (letters, cuts, size) => {
        const text = `${letters.join("")}\n`;
        const pieces = await piecesOf(Buffer.from(text, "latin1"), cuts, size);
        assert.equal(pieces.join(""), text);
        assert.deepEqual(
          pieces.flatMap((piece) => splitRows(piece)),
          splitRows(text),
        );
      },
    ),
    { numRuns: 500 },
  );
});

test("cutRows() cuts rows into pieces of about the size, and passes a long row on", async () => {
  const text = "0123456789\n".repeat(100);
  const cuts = Array.from({ length: 100 }, (_, n) => n * 11 + 5);
  const pieces = await piecesOf(Buffer.from(text), cuts, 100);
  assert.ok(pieces.length >= 8 && pieces.length <= 12, `${pieces.length} pieces`);
  const long = Buffer.from(`a\n${"x".repeat(1000)}\n${"b\n".repeat(9)}`);
  const every = Array.from({ length: 102 }, (_, n) => n * 10);
  const held: boolean[] = [];
  for await (const { isHeld, bytes } of cutRows(inChunks(long, every), 20)) {
    held.push(isHeld);
    for await (const _ of bytes);
  }
  assert.deepEqual(held, [false, true]);
});
