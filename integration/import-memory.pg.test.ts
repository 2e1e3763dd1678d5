import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { createWriteStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import { createZstdCompress } from "node:zlib";
import { startPostgres } from "./fixtures/postgres-server.ts";
import { psql } from "./fixtures/psql.ts";
import { finish, makeDbctlScratch } from "./fixtures/run-dbctl.ts";

const megabyte = 1 << 20;
/** What node and our code need by themselves, and the pieces that are under way. */
const limit = 256 * megabyte;

test("a dump of 200 MB, with a row of 40 MB, is imported in constant memory", async () => {
  await using server = await startPostgres(15, { max_wal_size: "1GB" });
  await using dbctl = await makeDbctlScratch({ init: false });
  const file = join(dbctl.folder, "big.sql.zst");
  const rows = 160 * 1024;
  await pipeline(bigDump(rows), createZstdCompress(), createWriteStream(file));
  const to = ["--to", server.url("big"), "--create", "--allow-superuser", "--jobs", "2"];
  const child = dbctl.start("import", file, ...to, "--json");
  const [run, peak] = await Promise.all([finish(child), watchMemory(child)]);
  assert.equal(run.code, 0, run.stderr);
  assert.equal(run.document["rows"], rows + 1);
  const sums = "select count(*), sum(a), count(distinct a), max(length(b)) from t";
  const found = await psql(server, "big", sums);
  assert.equal(found, `${rows + 1}|${(rows * (rows + 1)) / 2}|${rows + 1}|${40 * megabyte}`);
  const odd =
    "select count(*) from t where a < 163840 and b <> substr(repeat('0123456789abcdef', 64), a / 512 * 512 % 7 + 1)";
  assert.equal(await psql(server, "big", odd), "0");
  assert.ok(peak > 30 * megabyte && peak < limit, `${Math.round(peak / megabyte)} MB at most`);
});

function* bigDump(rows: number): Generator<Buffer> {
  yield Buffer.from(
    "-- PostgreSQL database dump\n-- Dumped by pg_dump version 15.0\n" +
      "CREATE TABLE public.t (a integer, b text);\nCOPY public.t (a, b) FROM stdin;\n",
  );
  const filler = "0123456789abcdef".repeat(64);
  for (let n = 0; n < rows; n += 512)
    yield Buffer.from(
      Array.from({ length: 512 }, (_, k) => `${n + k}\t${filler.slice(n % 7)}\n`).join(""),
    );
  yield Buffer.from(`${rows}\t`);
  for (let n = 0; n < 40; n++) yield Buffer.alloc(megabyte, "x");
  yield Buffer.from("\n\\.\n\n-- PostgreSQL database dump complete\n");
}

/** The most memory that a process has had at once (proc(5), VmHWM), in bytes. */
async function watchMemory({ pid, exitCode }: ChildProcess): Promise<number> {
  let peak = 0;
  while (exitCode === null) {
    const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
    const kilobytes = /^VmHWM:\s+(\d+) kB/m.exec(status)?.[1];
    if (kilobytes === undefined) return peak;
    peak = Number(kilobytes) * 1024;
    await sleep(20);
  }
  return peak;
}
