import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Fleet } from "../fixtures/fleet.ts";
import type { AlertListener } from "./alert-listener.ts";
import type { Narrator } from "./narrator.ts";
import { copy, database, type Source } from "./sources.ts";

export interface DemoParts {
  narrator: Narrator;
  fleet: Fleet;
  sources: Source[];
  listener: AlertListener;
}

/** Backup ids by source: the newest of each shop. */
export type Latest = Map<Source, string>;

interface JobDocument {
  database: string;
  state: string;
  result?: { backup: string; bytes: { read: number; stored: number; new: number } };
  error?: { message: string };
}

/** One policy for all; `silent` gets a tight one of its own, before it falls silent. */
export async function applyPolicies(
  { narrator, fleet, listener }: DemoParts,
  { silent }: { silent?: Source },
): Promise<void> {
  const common = [
    `  repository: ${fleet.dbctl.repo}`,
    `  notify: [{ webhook: "${listener.webhookUrl}", min_severity: warning }]`,
  ];
  const tight =
    silent === undefined
      ? []
      : ["- name: tight", `  select: host=${silent.host}`, '  schedule: "* * * * *"', "  rpo: 75s"];
  const daily = ["- name: daily", "  select: demo=yes", '  schedule: "0 3 * * *"', "  rpo: 26h"];
  const lines = silent === undefined ? [] : [...tight, ...common];
  const file = join(fleet.dbctl.folder, "policies.yaml");
  await writeFile(file, [...lines, ...daily, ...common, ""].join("\n"));
  const what = silent === undefined ? "Apply a policy" : `Give ${silent.name} an RPO of 75 s`;
  await narrator.step(`${what}: dbctl policies apply`, () =>
    fleet.dbctl.ok("policies", "apply", "-f", file),
  );
}

/** `dbctl backup --all --wait`, a change, and again. */
export async function protect(parts: DemoParts): Promise<Latest> {
  const { narrator, sources } = parts;
  const first = await backUpAll(parts, "first");
  await narrator.step("Append 1 % of the rows, and update 1 % among the newest tenth", () =>
    Promise.all(sources.map((source) => source.change())),
  );
  const second = await backUpAll(parts, "second");
  // Of all together: where chunks of one small database are cut is chance.
  const stored = [first, second].map((jobs) =>
    jobs.values().reduce((sum, job) => sum + (job.result?.bytes.stored ?? 0), 0),
  );
  const share = (stored[1] ?? Number.NaN) / (stored[0] ?? Number.NaN);
  const percent = `${(share * 100).toFixed(1)} %`;
  narrator.check(`the second backup stores less than 15 % of the first: ${percent}`, share < 0.15);
  return new Map(sources.map((source) => [source, second.get(source)?.result?.backup ?? ""]));
}

async function backUpAll(
  { narrator, fleet, sources }: DemoParts,
  run: string,
): Promise<Map<Source, JobDocument>> {
  const startedAt = performance.now();
  const { jobs } = await narrator.step("Back everything up: dbctl backup --all --wait", () =>
    fleet.dbctl.ok("backup", "--all", "--wait"),
  );
  const seconds = (performance.now() - startedAt) / 1000;
  const all = jobs as JobDocument[];
  const failed = all.filter(({ state }) => state !== "succeeded");
  for (const job of failed) narrator.note(`${job.database}: ${job.error?.message ?? job.state}`);
  narrator.check(`all ${all.length} databases are backed up`, failed.length === 0);
  const bySource = new Map<Source, JobDocument>();
  for (const source of sources) {
    const job = all.find((one) => one.database === `${source.host}/${database}`);
    if (job?.result === undefined) continue;
    bySource.set(source, job);
    narrator.figure(source.name, run, { ...job.result.bytes, seconds });
  }
  return bySource;
}

/** Restores the first PostgreSQL and the MariaDB through the fleet, and compares every table. */
export async function restoreBeside(
  { narrator, fleet, sources }: DemoParts,
  latest: Latest,
): Promise<void> {
  const [first] = sources;
  const chosen = [first, sources.find(({ host }) => host === "mariadb")];
  for (const source of new Set(chosen)) {
    if (source === undefined) continue;
    const { dbctl } = fleet;
    const to = ["--to", `${source.host}/${copy}`, "--create", "--wait"];
    const restore = ["restore", latest.get(source) ?? "", ...to, "--identity", dbctl.identity];
    const startedAt = performance.now();
    await narrator.step(`Restore ${source.name} beside the original: dbctl restore`, () =>
      dbctl.ok(...restore),
    );
    const seconds = (performance.now() - startedAt) / 1000;
    narrator.figure(source.name, "restore", { seconds });
    const differences = await narrator.step("Compare every table of original and copy", () =>
      source.compare(),
    );
    for (const line of differences) narrator.note(line);
    narrator.check(`${source.name}: all tables are equal`, differences.length === 0);
  }
}
