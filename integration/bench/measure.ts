import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

export interface Measure {
  seconds: number;
  /** User and system time of the program and all that it started and waited for. */
  cpuSeconds: number;
  /** Highest resident memory of all its processes together, bytes, sampled. */
  peakBytes: number;
}

const sampleMs = 20;

/** Runs a shell pipeline and measures it; throws when any part of it fails. */
export async function measure(script: string, env: NodeJS.ProcessEnv = {}): Promise<Measure> {
  const timed = `set -o pipefail; TIMEFORMAT='%R %U %S'; time { ${script} ; }`;
  const child = spawn("/bin/bash", ["-c", timed], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let printed = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (printed += text));
  const closed = once(child, "close");
  let peakBytes = 0;
  let running = true;
  void closed.then(() => (running = false));
  while (running) {
    peakBytes = Math.max(peakBytes, await residentBytes(child.pid ?? 0));
    await sleep(sampleMs);
  }
  const [code] = (await closed) as [number];
  if (code !== 0) throw new Error(`Cannot measure ${script}: exit ${code}\n${printed}`);
  const [seconds = 0, user = 0, system = 0] = (printed.trim().split("\n").at(-1) ?? "")
    .split(" ")
    .map(Number);
  return { seconds, cpuSeconds: user + system, peakBytes };
}

/** Resident memory of a process's descendants, without the shell itself. */
async function residentBytes(shell: number): Promise<number> {
  const parents = new Map<number, { parent: number; bytes: number }>();
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const status = await readFile(`/proc/${name}/status`, "utf8").catch(() => "");
    const field = (key: string) =>
      Number(status.match(new RegExp(`^${key}:\\s+(\\d+)`, "m"))?.[1] ?? 0);
    parents.set(Number(name), { parent: field("PPid"), bytes: field("VmRSS") * 1024 });
  }
  const isBelow = (pid: number): boolean => {
    const parent = parents.get(pid)?.parent;
    return parent === shell || (parent !== undefined && parent > 1 && isBelow(parent));
  };
  let sum = 0;
  for (const [pid, { bytes }] of parents) if (isBelow(pid)) sum += bytes;
  return sum;
}

/** The middle value; of an even count, the lower of the two. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
}
