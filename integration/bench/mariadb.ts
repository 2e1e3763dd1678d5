import { rm } from "node:fs/promises";
import { join } from "node:path";
import { mariadb } from "../fixtures/mariadb-client.ts";
import { startMariadb } from "../fixtures/mariadb-server.ts";
import { makeDbctlScratch } from "../fixtures/run-dbctl.ts";
import { compete, tableHead } from "./compete.ts";
import { type BenchOptions, launcher } from "./postgres.ts";

/** Logical backup and restore of MariaDB beside `mariadb-dump | zstd` and `mariadb`. */
export async function benchMariadb({ megabytes, runs, jobs }: BenchOptions): Promise<void> {
  await using server = await startMariadb({
    "innodb-buffer-pool-size": "1G",
    "innodb-log-file-size": "512M",
    "skip-log-bin": "1",
  });
  await using dbctl = await makeDbctlScratch();
  await mariadb(server, "", "create database mixed");
  await mariadb(server, "mixed", data(megabytes));
  const dump = join(dbctl.folder, "dump.sql.zst");
  const client = `--no-defaults -u root --socket=${server.socket}`;
  const run = `DBCTL_STATE_DIR=${dbctl.stateDir} ${launcher}`;
  const repo = ["--repo", dbctl.repo, "--jobs", String(jobs)].join(" ");
  console.log(`\nMariaDB, ${megabytes} MB, ${jobs} jobs, medians of ${runs} paired runs\n`);
  for (const line of tableHead) console.log(line);

  const backup = {
    ours: `${run} backup '${server.url("mixed")}' ${repo} --fresh-epoch`,
    theirs: `mariadb-dump ${client} --single-transaction --routines --triggers --events mixed | zstd -q -1 -f -o ${dump}`,
    before: () => rm(dump, { force: true }),
  };
  console.log(await compete({ work: "backup, mixed; mariadb-dump \\| zstd -1", ...backup }, runs));
  const into = `--identity ${dbctl.identity} --to '${server.url("copy")}' --create`;
  const restore = {
    ours: `${run} restore latest ${repo} ${into}`,
    theirs: `mariadb ${client} -e 'create database copy' && zstd -q -dc ${dump} | mariadb ${client} copy`,
    before: async () => {
      await mariadb(server, "", "drop database if exists copy");
    },
  };
  console.log(await compete({ work: "restore, mixed; zstd \\| mariadb", ...restore }, runs));
}

function data(megabytes: number): string {
  const third = megabytes / 3;
  return `
    create table narrow (id bigint primary key, a int, b int, c double, d datetime, key (b));
    insert into narrow select seq, seq % 1000, (seq * 7919) % 100003, sqrt(seq), '2026-01-01' + interval seq second
      from seq_1_to_${Math.round(third * 13_000)};
    create table wide (id bigint primary key, code char(36), name varchar(100), note text, price decimal(12,2), at datetime, flag tinyint, key (code), key (at)) default charset utf8mb4;
    insert into wide select seq, md5(seq), concat('customer ', seq), repeat(concat(md5(seq * 3), ' '), 1 + seq % 5),
        (seq % 100000) / 100, '2026-01-01' + interval seq second, seq % 2
      from seq_1_to_${Math.round(third * 3_500)};
    create table large (id bigint primary key, body mediumblob);
    insert into large select seq, repeat(unhex(concat(md5(seq), md5(seq + 1), md5(seq + 2), md5(seq + 3))), 4096)
      from seq_1_to_${Math.max(1, Math.round(third * 3.8))}`;
}
