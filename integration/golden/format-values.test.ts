import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { encodeSums } from "../../agent/backup/backup-body.ts";
import { noChunks, RowChunker } from "../../agent/pipeline/row-chunker.ts";
import { ChunkCodec } from "../../agent/repository/chunk-codec.ts";
import { deriveKey, deriveRowKey } from "../../agent/repository/epoch.ts";

const document = new URL("../../docs/format.md", import.meta.url);

const epoch = {
  repository: "00112233445566778899aabbccddeeff",
  instance: "7312",
  epoch: "20261120T101530Z-k3v9x0ap",
  key: Uint8Array.from({ length: 32 }, (_, n) => n),
};
const pack = "ffeeddccbbaa99887766554433221100";
const rows = ["1\tone\n", "2\ttwo\n"].map((row) => Buffer.from(row));

test("the test values of docs/format.md are those of this code", async () => {
  const text = await readFile(document, "utf8");
  const section = text.split("## Test values")[1]?.split("\n## ")[0] ?? "";
  for (const name of [epoch.repository, epoch.instance, epoch.epoch, pack])
    assert.ok(section.includes(`\`${name}\``), name);
  const values = [...section.matchAll(/\| `([0-9a-f]+)` +\|$/gm)].map(([, value]) => value);
  assert.deepEqual(values, expectedValues());
});

function expectedValues(): string[] {
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
  const [row = Buffer.alloc(0)] = rows;
  const codec = new ChunkCodec(epoch);
  const id = codec.id(row);
  return [
    hex(deriveKey(epoch, "chunkId")),
    hex(deriveRowKey(epoch)),
    hex(deriveKey(epoch, "pack", { salt: Buffer.from(pack, "hex") })),
    hex(id),
    hex(codec.seal(row, { pack, offset: 8, id })),
    digestOf([row]),
    digestOf(rows),
  ];
}

function digestOf(some: Buffer[]): string {
  const chunker = new RowChunker(noChunks, deriveRowKey(epoch));
  chunker.beginPart();
  for (const row of some) chunker.pushRow(row);
  return encodeSums(chunker.endPart()).digest;
}
