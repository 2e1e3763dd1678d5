import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { makeScratchFolder } from "../../integration/fixtures/scratch-folder.ts";
import {
  backUp,
  makeScratchRepository,
  signal,
} from "../../integration/fixtures/scratch-repository.ts";
import { encodeSums, type TableEntry } from "../backup/backup-body.ts";
import type { RawRows, RowWriter } from "../engines/export/exporter.ts";
import { noChunks, RowChunker } from "../pipeline/row-chunker.ts";
import { deriveRowKey } from "../repository/epoch.ts";
import { openBackup } from "../repository/open-backup.ts";
import { NewFile } from "./new-file.ts";
import { writeRows } from "./write-rows.ts";

/** Rows are lines, and stay as they are. */
const lines: RowWriter = {
  head: () => Buffer.from("head\n"),
  write: (bytes: Uint8Array, raw: RawRows) => {
    for (let at = 0; at < bytes.length;) {
      const found = bytes.indexOf(0x0a, at);
      const end = found === -1 ? bytes.length : found + 1;
      raw(bytes.subarray(at, end), found !== -1);
      at = end;
    }
    return bytes;
  },
  end: () => Buffer.from("end\n"),
};

async function openScratch() {
  const scratch = await makeScratchRepository();
  const streams = [[Buffer.from("a\nb\n"), Buffer.from("a\n")], [Buffer.from("long ".repeat(9))]];
  streams[1]?.push(Buffer.from("row\n"));
  const { header } = await backUp(scratch, { streams });
  const { store, repository, identity } = scratch;
  const backup = await openBackup({ store, repository, header, keys: { identity }, signal });
  const rows = new RowChunker(noChunks, deriveRowKey(backup.epoch));
  rows.beginPart();
  for (const row of ["b\n", "a\n", "a\n", `${"long ".repeat(9)}row\n`])
    rows.pushRow(Buffer.from(row));
  const data = { schema: "s", name: "t", columns: ["a"], format: "", details: null };
  const entry: TableEntry = { data, streams: [0, 1], sums: encodeSums(rows.endPart()) };
  return { backup, entry, [Symbol.asyncDispose]: () => scratch[Symbol.asyncDispose]() };
}

test("rows are written whole, and proved by count and digest", async () => {
  await using folder = await makeScratchFolder("rows");
  await using scratch = await openScratch();
  const { backup, entry } = scratch;
  const write = async (sums: TableEntry["sums"]) => {
    await using file = await NewFile.create(join(folder.path, "out"));
    const own = { ...entry, sums };
    const writing = { backup, entry: own, writer: lines, file, signal };
    const bytes = await Array.fromAsync(writeRows(writing));
    await file.commit();
    return bytes.reduce((sum, one) => sum + one, 0);
  };
  const { rows, bytes, digest } = entry.sums;
  const flipped = digest.replace(/^./, (first) => (first === "0" ? "1" : "0"));
  for (const sums of [
    { rows: "3", bytes, digest },
    { rows, bytes, digest: flipped },
  ])
    await assert.rejects(write(sums), { code: "digest-mismatch", message: /s\.t/ });
  assert.deepEqual(await readdir(folder.path), []);
  assert.equal(await write(entry.sums), Number(bytes));
  const text = await readFile(join(folder.path, "out"), "utf8");
  assert.equal(text, `head\na\nb\na\n${"long ".repeat(9)}row\nend\n`);
});
