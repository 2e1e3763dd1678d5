import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { startFleet } from "../fixtures/fleet.ts";
import { joinSimulatedFleet } from "../fixtures/simulated-fleet.ts";

const jobMs = 500;
const budget = 16;

/**
 * What a controller costs: simulated agents over the real protocol, and `backup --all` of all their
 * databases, whose backups take half a second each and use nothing.
 */
export async function benchFleet({
  agents,
  databases,
}: {
  agents: number;
  databases: number;
}): Promise<void> {
  await using fleet = await startFleet();
  const { pid = 0 } = fleet.controller.child;
  const joined = await timed(pid, () => joinSimulatedFleet(fleet, { agents, databases, jobMs }));
  await using simulated = joined.result;
  const { workload } = simulated;
  console.log(`\n${agents} agents, ${agents * databases} databases: one controller\n`);
  report("enrol and link all", joined);
  const idle = await timed(pid, () => sleep(20_000));
  report("idle, 20 s", idle);
  const before = workload.heartbeats;
  const backup = await timed(pid, () => fleet.dbctl.ok("backup", "--all", "--wait"));
  report("backup --all", backup);
  const perSecond = (workload.heartbeats - before) / backup.seconds;
  const states = (backup.result["jobs"] as { state: string }[]).map(({ state }) => state);
  const good = states.filter((state) => state === "succeeded").length;
  const { done, peak } = workload;
  console.log(`- ${good} of ${states.length} succeeded, ${done} runs, at most ${peak} at once`);
  console.log(`- ${perSecond.toFixed(1)} heartbeats a second meanwhile`);
  const least = (states.length * jobMs) / 1000 / budget;
  console.log(`- with ${budget} at once ${least.toFixed(0)} s are the least`);
  if (good !== agents * databases || done !== good || peak > budget)
    throw new Error("the fleet did not do what it was told");
}

interface Timed<T> {
  result: T;
  seconds: number;
  cpuSeconds: number;
  /** Highest resident memory of the process so far. */
  peakBytes: number;
}

async function timed<T>(pid: number, work: () => Promise<T>): Promise<Timed<T>> {
  const cpuBefore = await cpuSeconds(pid);
  const began = performance.now();
  const result = await work();
  const seconds = (performance.now() - began) / 1000;
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  const peakBytes = Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1]) * 1024;
  return { result, seconds, cpuSeconds: (await cpuSeconds(pid)) - cpuBefore, peakBytes };
}

/** User and system time; a tick is 10 ms on Linux (proc(5): stat). */
async function cpuSeconds(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

function report(work: string, { seconds, cpuSeconds: cpu, peakBytes }: Timed<unknown>): void {
  const share = `${((100 * cpu) / seconds).toFixed(0)} % of a core`;
  const peak = `${(peakBytes / 1e6).toFixed(0)} MB at the peak so far`;
  console.log(`- ${work}: ${seconds.toFixed(1)} s, ${cpu.toFixed(1)} s CPU (${share}), ${peak}`);
}
