import { psql } from "../fixtures/psql.ts";
import { startPostgres } from "../fixtures/postgres-server.ts";
import { makeDbctlScratch } from "../fixtures/run-dbctl.ts";
import { measure } from "./measure.ts";
import { type BenchOptions, launcher } from "./postgres.ts";
import { fillPostgres } from "./postgres-data.ts";

/** Peak memory of dbctl while one big table is backed up, verified and restored. */
export async function benchMemory({ megabytes, jobs }: Omit<BenchOptions, "runs">): Promise<void> {
  await using server = await startPostgres(15, { shared_buffers: "1GB" });
  await using dbctl = await makeDbctlScratch();
  await psql(server, "postgres", "create database wide");
  await fillPostgres(server, "wide", megabytes);
  const size = await psql(server, "wide", "select pg_size_pretty(pg_table_size('wide'))");
  const run = `DBCTL_STATE_DIR=${dbctl.stateDir} ${launcher}`;
  const repo = `--repo ${dbctl.repo}`;
  const key = `--identity ${dbctl.identity}`;
  const into = `--to '${server.url("copy")}' --create`;
  console.log(`\nOne table of ${size}, ${jobs} jobs: peak memory of dbctl\n`);
  for (const [work, script] of [
    ["backup", `${run} backup '${server.url("wide")}' ${repo} --jobs ${jobs}`],
    ["backup again, unchanged", `${run} backup '${server.url("wide")}' ${repo} --jobs ${jobs}`],
    ["verify", `${run} verify latest ${repo} ${key}`],
    ["restore", `${run} restore latest ${repo} ${key} ${into} --jobs ${jobs}`],
  ] as const) {
    const { seconds, cpuSeconds, peakBytes } = await measure(script);
    const peak = `${(peakBytes / 1e6).toFixed(0)} MB`;
    console.log(`- ${work}: ${peak}, ${seconds.toFixed(1)} s, ${cpuSeconds.toFixed(1)} s CPU`);
  }
}
