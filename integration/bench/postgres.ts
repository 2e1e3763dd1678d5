import { rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { psql } from "../fixtures/psql.ts";
import { startPostgres } from "../fixtures/postgres-server.ts";
import { makeDbctlScratch } from "../fixtures/run-dbctl.ts";
import { compete, tableHead } from "./compete.ts";
import { fillPostgres } from "./postgres-data.ts";

export const launcher = fileURLToPath(new URL("../../cli/dbctl", import.meta.url));

export interface BenchOptions {
  megabytes: number;
  runs: number;
  jobs: number;
}

/** Logical backup and restore of PostgreSQL 15 beside pg_dump and pg_restore of the same version. */
export async function benchPostgres({ megabytes, runs, jobs }: BenchOptions): Promise<void> {
  await using server = await startPostgres(15, { shared_buffers: "1GB" });
  await using dbctl = await makeDbctlScratch();
  const where = `-h ${server.socketFolder} -p ${server.port} -U postgres`;
  const state = `DBCTL_STATE_DIR=${dbctl.stateDir}`;
  const run = `${state} ${launcher}`;
  const dump = join(dbctl.folder, "dump");
  const repo = ["--repo", dbctl.repo, "--jobs", String(jobs)].join(" ");
  console.log(`\nPostgreSQL 15, ${megabytes} MB, ${jobs} jobs, medians of ${runs} paired runs\n`);
  for (const line of tableHead) console.log(line);

  for (const kind of ["mixed", "narrow", "bytea"] as const) {
    await psql(server, "postgres", `create database ${kind}`);
    await fillPostgres(server, kind, megabytes);
    const forget = () => rm(dump, { recursive: true, force: true });
    const pgDump = `${server.programs}/pg_dump ${where} -Fd -j${jobs} -Z1 -f ${dump} ${kind}`;
    const backup = `${run} backup '${server.url(kind)}' ${repo} --fresh-epoch`;
    const backups = { ours: backup, theirs: pgDump, before: forget };
    console.log(await compete({ work: `backup, ${kind}; pg_dump -Fd -Z1`, ...backups }, runs));
    const clear = async () => {
      await psql(server, "postgres", "drop database if exists copy");
      await psql(server, "postgres", "checkpoint");
    };
    const into = `--identity ${dbctl.identity} --to '${server.url("copy")}' --create`;
    const restore = {
      ours: `${run} restore latest ${repo} ${into}`,
      theirs: `createdb ${where} copy && ${server.programs}/pg_restore ${where} -j${jobs} -d copy ${dump}`,
      before: clear,
    };
    console.log(await compete({ work: `restore, ${kind}; pg_restore`, ...restore }, runs));
    await clear();
    await psql(server, "postgres", `drop database ${kind}`);
  }
}
