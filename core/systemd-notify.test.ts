import assert from "node:assert/strict";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { notifySystemd, watchdogPeriodMs } from "./systemd-notify.ts";

/** A program in PATH that writes down how it was called. */
async function scratchPath(exit = 0) {
  const folder = await mkdtemp(join(tmpdir(), "dbctl-notify-"));
  const calls = join(folder, "calls");
  const program = join(folder, "systemd-notify");
  await writeFile(program, `#!/bin/sh\necho "$*" >>${calls}\nexit ${exit}\n`);
  await chmod(program, 0o755);
  await writeFile(calls, "");
  return {
    env: { PATH: `${folder}:/usr/bin:/bin`, NOTIFY_SOCKET: "/run/none", WATCHDOG_USEC: "60000" },
    calls: async () => (await readFile(calls, "utf8")).trim().split("\n"),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
  };
}

test("notifySystemd() tells ready, feeds the watchdog, and tells that it stops", async () => {
  await using it = await scratchPath();
  const stop = new AbortController();
  const notified = notifySystemd({ env: it.env, signal: stop.signal });
  while ((await it.calls()).length < 3) await sleep(10);
  stop.abort();
  await notified;
  const calls = await it.calls();
  assert.equal(calls[0], "--ready");
  assert.deepEqual([...new Set(calls.slice(1, -1))], ["WATCHDOG=1"]);
  assert.equal(calls.at(-1), "STOPPING=1");
});

test("notifySystemd() does nothing where systemd did not start the process", async () => {
  await using it = await scratchPath();
  const { NOTIFY_SOCKET: _, ...env } = it.env;
  await notifySystemd({ env, signal: new AbortController().signal });
  assert.deepEqual(await it.calls(), [""]);
});

test("notifySystemd() throws when systemd cannot be told", async () => {
  await using it = await scratchPath(1);
  const signal = new AbortController().signal;
  await assert.rejects(notifySystemd({ env: it.env, signal }), { code: "system-failed" });
});

test("watchdogPeriodMs() is a third of the time, for the named process only", () => {
  assert.equal(watchdogPeriodMs({ WATCHDOG_USEC: "30000000" }), 10_000);
  assert.equal(watchdogPeriodMs({ WATCHDOG_USEC: "30000000", WATCHDOG_PID: "7" }, 7), 10_000);
  assert.equal(watchdogPeriodMs({ WATCHDOG_USEC: "30000000", WATCHDOG_PID: "8" }, 7), undefined);
  assert.equal(watchdogPeriodMs({}), undefined);
});
