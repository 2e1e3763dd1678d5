import assert from "node:assert/strict";
import { test } from "node:test";
import { formatRate, parseRate } from "./transfer-rate.ts";

test("parseRate() reads bytes and bits, by thousands and by 1024", () => {
  const cases: [string, number][] = [
    ["100MB/s", 100e6],
    ["100MBps", 100e6],
    ["100MiB/s", 100 * 2 ** 20],
    ["1.5 GB/s", 1.5e9],
    ["800Mbps", 100e6],
    ["100Mbit/s", 12.5e6],
    ["100Mb/s", 12.5e6],
    ["64kB/s", 64e3],
    ["64KiB/s", 65_536],
    ["500B/s", 500],
    ["100M", 100e6],
    ["2g", 2e9],
    ["0", 0],
    [" 1Gbps ", 125e6],
  ];
  for (const [text, bytes] of cases) assert.equal(parseRate(text), bytes, text);
});

test("parseRate() shows both readings of what could be meant in two ways", () => {
  const cases: [string, RegExp][] = [
    ["100", /100 what\? Write 100MB\/s for megabytes or 100Mbps for megabits/],
    ["100MB", /a size; write 100MB\/s for bytes or 100Mbit\/s for bits/],
    ["100Mb", /a size; write 100MB\/s for bytes or 100Mbit\/s for bits/],
    ["fast", /100MB\/s, 100MiB\/s, 800Mbps/],
    ["-1MB/s", /no rate/],
    ["1bps", /less than a byte/],
    ["", /no rate/],
    ["1e3MB/s", /no rate/],
  ];
  for (const [text, message] of cases) assert.throws(() => parseRate(text), { message }, text);
});

test("formatRate() says it in both units", () => {
  assert.equal(formatRate(12.5e6), "12.5 MB/s (100 Mbps)");
  assert.equal(formatRate(999), "999 B/s (7.99 kbps)");
});
