import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { psql } from "../fixtures/psql.ts";
import { startPostgres } from "../fixtures/postgres-server.ts";
import { makeDbctlScratch } from "../fixtures/run-dbctl.ts";
import { compete, tableHead } from "./compete.ts";
import { measure } from "./measure.ts";
import { type BenchOptions, launcher } from "./postgres.ts";
import { fillPostgres } from "./postgres-data.ts";

/**
 * dbctl beside pg_dump piped into restic, the usual way to a deduplicated, encrypted repository: the
 * first backup, one of unchanged data, and one after a change of 2 %.
 */
export async function benchRestic({ megabytes, runs, jobs }: BenchOptions): Promise<void> {
  await using server = await startPostgres(15, { shared_buffers: "1GB" });
  await using dbctl = await makeDbctlScratch();
  const kind = "mixed";
  await psql(server, "postgres", `create database ${kind}`);
  await fillPostgres(server, kind, megabytes);
  const where = `-h ${server.socketFolder} -p ${server.port} -U postgres`;
  const folder = join(dbctl.folder, "restic");
  const restic = `RESTIC_PASSWORD=bench RESTIC_CACHE_DIR=${folder}-cache restic -q -r ${folder}`;
  const stream = `${server.programs}/pg_dump ${where} -Fc -Z0 ${kind} | ${restic} backup --stdin`;
  const backup =
    `DBCTL_STATE_DIR=${dbctl.stateDir} ${launcher} backup '${server.url(kind)}' ` +
    `--repo ${dbctl.repo} --jobs ${jobs}`;
  const sizes = async () => [await bytesOf(dbctl.repoFolder), await bytesOf(folder)] as const;

  console.log(`\nPostgreSQL 15, ${megabytes} MB, beside pg_dump -Fc -Z0 | restic backup --stdin,`);
  console.log(`medians of ${runs} paired runs\n`);
  for (const line of tableHead) console.log(line);
  const afresh = async (side: "ours" | "theirs") => {
    if (side === "ours") return;
    await rm(folder, { recursive: true, force: true });
    await measure(`${restic} init`);
  };
  const first = { ours: `${backup} --fresh-epoch`, theirs: stream, before: afresh };
  console.log(await compete({ work: "first backup", ...first }, runs));
  const full = { ours: backup, theirs: stream, before: async () => {} };
  await measure(full.ours);
  let before = await sizes();
  console.log(await compete({ work: "again, unchanged", ...full }, runs));
  console.log(grown("unchanged", [before, await sizes()], runs));
  await psql(server, kind, changed);
  before = await sizes();
  for (const line of tableHead) console.log(line);
  console.log(await compete({ work: "again, 2 % of rows changed", ...full }, 1));
  console.log(grown("2 % of rows changed", [before, await sizes()], 1));
}

/** Appends one row in a hundred, and updates one in a hundred among the newest tenth. */
const changed = `
  insert into narrow select id + 100000000, a, b, c, d from narrow where id % 100 = 0;
  insert into wide select id + 100000000, code, name, note, price, tags, doc, at, flag from wide where id % 100 = 0;
  update narrow set a = a + 1 where id % 10 = 0 and id > (select max(id) * 0.9 from narrow where id < 100000000) and id < 100000000;
  update wide set flag = not flag where id % 10 = 0 and id > (select max(id) * 0.9 from wide where id < 100000000) and id < 100000000`;

function grown(
  what: string,
  [before, after]: readonly [readonly [number, number], readonly [number, number]],
  runs: number,
): string {
  const [ours, theirs] = [0, 1].map((n) => ((after[n] ?? 0) - (before[n] ?? 0)) / runs / 1e6);
  return `\n${what}: ${ours?.toFixed(1)} MB / ${theirs?.toFixed(1)} MB stored per backup\n`;
}

async function bytesOf(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const sizes = await Promise.all(
    files.map(async (file) => (await stat(join(file.parentPath, file.name))).size),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}
