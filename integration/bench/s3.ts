import { startCeph } from "../fixtures/ceph-server.ts";
import { psql } from "../fixtures/psql.ts";
import { startPostgres } from "../fixtures/postgres-server.ts";
import { makeDbctlScratch } from "../fixtures/run-dbctl.ts";
import { makeBucket, s3Env, s3Url } from "../fixtures/s3-bucket.ts";
import { compete, tableHead } from "./compete.ts";
import { type BenchOptions, launcher } from "./postgres.ts";
import { fillPostgres } from "./postgres-data.ts";

/**
 * Backup into and restore from a real S3 server on this machine (Ceph, with its store in memory),
 * beside the same on the filesystem. The server shares the processors with us: what it needs of them
 * counts against S3 here, as it would not from another machine.
 */
export async function benchS3({ megabytes, runs, jobs }: BenchOptions): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await startPostgres(15, { shared_buffers: "1GB" }));
  const ceph = stack.use(await startCeph());
  const env = s3Env(ceph.operator);
  const dbctl = stack.use(await makeDbctlScratch({ env }));
  const url = s3Url(ceph, await makeBucket(ceph, "plain"));
  const identity = `${dbctl.folder}/s3-identity.txt`;
  await dbctl.ok("repo", "init", url, "--identity-out", identity);
  const keys = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  const run = [...keys, `DBCTL_STATE_DIR=${dbctl.stateDir}`, launcher].join(" ");
  const ours = { repo: `'${url}'`, identity };
  const theirs = { repo: `'${dbctl.repo}'`, identity: dbctl.identity };
  console.log(`\nS3 on loopback (ours) beside the filesystem (theirs), PostgreSQL 15,`);
  console.log(`${megabytes} MB, ${jobs} jobs, medians of ${runs} paired runs\n`);
  for (const line of tableHead) console.log(line);

  for (const kind of ["mixed", "bytea"] as const) {
    await psql(server, "postgres", `create database ${kind}`);
    await fillPostgres(server, kind, megabytes);
    const backup = ({ repo }: typeof ours) =>
      `${run} backup '${server.url(kind)}' --repo ${repo} --jobs ${jobs} --fresh-epoch`;
    const before = async () => {};
    const both = { ours: backup(ours), theirs: backup(theirs), before };
    console.log(await compete({ work: `backup, ${kind}`, ...both }, runs));
    const restore = ({ repo, identity: file }: typeof ours) =>
      `${run} restore latest --repo ${repo} --jobs ${jobs} --identity ${file} ` +
      `--to '${server.url("copy")}' --create`;
    const clear = async () => {
      await psql(server, "postgres", "drop database if exists copy");
      await psql(server, "postgres", "checkpoint");
    };
    const back = { ours: restore(ours), theirs: restore(theirs), before: clear };
    console.log(await compete({ work: `restore, ${kind}`, ...back }, runs));
    await clear();
    await psql(server, "postgres", `drop database ${kind}`);
  }
}
