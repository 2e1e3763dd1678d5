import assert from "node:assert/strict";
import { test } from "node:test";
import { Progress } from "./progress.ts";

function fakeTerminal({ isTTY }: { isTTY: boolean }) {
  const written: string[] = [];
  const clock = { at: 0 };
  const stream = { isTTY, columns: 200, write: (text: string) => written.push(text) };
  return { written, clock, progress: new Progress({ now: () => clock.at, stream }) };
}

test("Progress redraws one line at most ten times a second on a terminal", () => {
  const { written, clock, progress } = fakeTerminal({ isTTY: true });
  progress.begin("backing up", 1_000_000);
  for (let n = 1; n <= 100; n++) {
    clock.at = n * 10;
    progress.add(5_000);
  }
  assert.ok(written.length >= 9 && written.length <= 12, `${written.length} lines`);
  assert.match(written.at(-1) ?? "", /50 % · 500 kB of ~1.0 MB · 500 kB\/s · ETA ~1.0 s/);
  progress[Symbol.dispose]();
  assert.equal(written.at(-1), "\r\u001b[K");
});

test("Progress writes a plain line every ten seconds elsewhere", () => {
  const { written, clock, progress } = fakeTerminal({ isTTY: false });
  progress.begin("backing up", 60_000_000);
  for (let second = 1; second <= 30; second++) {
    clock.at = second * 1000;
    progress.add(1_000_000);
  }
  assert.equal(written.length, 3);
  assert.ok(written.every((line) => line.endsWith("\n") && !line.includes("\u001b")));
});

test("Progress says so when it takes longer than the estimate, and never shows a negative ETA", () => {
  const { written, clock, progress } = fakeTerminal({ isTTY: true });
  progress.begin("backing up", 1000);
  clock.at = 1000;
  progress.add(1020);
  clock.at = 2000;
  progress.add(1000);
  assert.match(written.at(-2) ?? "", /100 % .* ETA ~0.0 s/);
  assert.match(written.at(-1) ?? "", /longer than expected/);
});
