/**
 * `npm run bench [-- --megabytes N --runs N --jobs N --only NAME]`, where NAME is postgres, mariadb,
 * memory, fleet, s3, restic, prune or chunk-index: wall time, processor time and peak memory of dbctl beside the
 * tools people use now, on the same generated data. Runs are paired (ours, theirs, ours, …), figures
 * are medians, ratios are ours ÷ theirs.
 */
import { parseArgs } from "node:util";
import { benchChunkIndex } from "./chunk-index.ts";
import { benchFleet } from "./fleet.ts";
import { benchMariadb } from "./mariadb.ts";
import { benchMemory } from "./memory.ts";
import { benchPostgres } from "./postgres.ts";
import { benchPrune } from "./prune.ts";
import { benchRestic } from "./restic.ts";
import { benchS3 } from "./s3.ts";

const { values } = parseArgs({
  options: {
    megabytes: { type: "string" },
    runs: { type: "string", default: "5" },
    jobs: { type: "string", default: "2" },
    only: { type: "string" },
  },
});
const number = (text: string | undefined, fallback: number) =>
  text === undefined ? fallback : Number(text);
const runs = number(values.runs, 5);
const jobs = number(values.jobs, 2);
const wanted = (name: string) => values.only === undefined || values.only === name;

if (wanted("postgres"))
  await benchPostgres({ megabytes: number(values.megabytes, 400), runs, jobs });
if (wanted("mariadb")) await benchMariadb({ megabytes: number(values.megabytes, 400), runs, jobs });
if (wanted("s3")) await benchS3({ megabytes: number(values.megabytes, 400), runs, jobs });
if (wanted("restic")) await benchRestic({ megabytes: number(values.megabytes, 400), runs, jobs });
if (wanted("fleet")) await benchFleet({ agents: 200, databases: 5 });
if (wanted("prune")) await benchPrune({ backups: 1000 });
// Takes minutes and 10 GB of disk: only when asked for.
if (values.only === "memory")
  await benchMemory({ megabytes: number(values.megabytes, 4096), jobs });
// Measures the process that it runs in.
if (values.only === "chunk-index") await benchChunkIndex({ chunks: 10_000_000 });
