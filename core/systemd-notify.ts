import { execFile } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { DbctlError } from "./errors.ts";

const run = promisify(execFile);

interface Options {
  env: NodeJS.ProcessEnv;
  signal: AbortSignal;
}

/**
 * Tells systemd that the service is ready, then feeds its watchdog until the signal aborts, and
 * tells that it stops. Resolves at once when it was not started by systemd. Its messages go over a
 * datagram socket, which the runtime does not have, so systemd-notify(1) sends them.
 */
export async function notifySystemd({ env, signal }: Options): Promise<void> {
  if (!env["NOTIFY_SOCKET"] || signal.aborted) return;
  await send(["--ready"], env);
  const periodMs = watchdogPeriodMs(env);
  while (!signal.aborted) {
    await sleep(periodMs ?? 2 ** 31 - 1, undefined, { signal }).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
    if (!signal.aborted && periodMs !== undefined) await send(["WATCHDOG=1"], env);
  }
  await send(["STOPPING=1"], env);
}

/** A third of sd_watchdog_enabled(3)'s time; undefined when no watchdog waits for this process. */
export function watchdogPeriodMs(env: NodeJS.ProcessEnv, pid = process.pid): number | undefined {
  const microseconds = Number(env["WATCHDOG_USEC"]);
  if (!Number.isFinite(microseconds) || microseconds <= 0) return undefined;
  const wanted = env["WATCHDOG_PID"];
  if (wanted !== undefined && wanted !== String(pid)) return undefined;
  return Math.max(1, Math.floor(microseconds / 3000));
}

async function send(message: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  try {
    await run("systemd-notify", message, { env, timeout: 10_000 });
  } catch (cause) {
    throw new DbctlError("system-failed", `Cannot notify systemd: ${String(cause)}`, {
      remedy: "Check that systemd-notify is installed, and that the unit has NotifyAccess=all",
      cause,
    });
  }
}
