import assert from "node:assert/strict";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import type { DbctlScratch } from "../fixtures/run-dbctl.ts";

/** Runs a command and ends it with kill -9 after a while. True when it was still running. */
export async function killAfter(
  dbctl: DbctlScratch,
  args: string[],
  delayMs: number,
): Promise<boolean> {
  const child = dbctl.start(...args);
  child.stdout?.resume();
  child.stderr?.resume();
  const closed = once(child, "close");
  await Promise.race([sleep(delayMs), closed]);
  const running = child.exitCode === null;
  child.kill("SIGKILL");
  await closed;
  return running;
}

export async function timeOf(act: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await act();
  return performance.now() - startedAt;
}

/** Waits a few seconds for a count to fall to zero. */
export async function waitForNone(what: string, count: () => Promise<number>): Promise<void> {
  for (let n = 0; (await count()) > 0; n++) {
    assert.ok(n < 250, `${what} stay on the server`);
    await sleep(20);
  }
}

/** Whatever is listed is a whole backup; `deeply` verifies the newest three. */
export async function assertListedAreWhole(
  dbctl: DbctlScratch,
  { deeply }: { deeply: boolean },
): Promise<void> {
  const { backups } = await dbctl.ok("backups", "ls", "--repo", dbctl.repo);
  assert.ok(Array.isArray(backups) && backups.length > 0);
  if (!deeply) return;
  for (const { backup } of backups.slice(-3) as { backup: string }[])
    await dbctl.ok("verify", backup, "--repo", dbctl.repo, "--identity", dbctl.identity);
}
