import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { access, cp, mkdir, readdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { psql } from "./fixtures/psql.ts";
import { startPostgres } from "./fixtures/postgres-server.ts";
import { makeScratchFolder } from "./fixtures/scratch-folder.ts";

const execute = promisify(execFile);
const root = fileURLToPath(new URL("..", import.meta.url));

/** Lays a built package where npm would: below `node_modules`, where Node runs no TypeScript. */
async function install(folder: string): Promise<string> {
  const modules = join(folder, "node_modules");
  const home = join(modules, "dbctl");
  await mkdir(join(home, "cli"), { recursive: true });
  const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
  const build = ["-p", join(root, "tsconfig.build.json"), "--outDir", join(home, "dist")];
  await execute(process.execPath, [tsc, ...build]);
  // As `npm run build` does after the compiler.
  const migrations = join("controller", "database", "migrations");
  await cp(join(root, migrations), join(home, "dist", migrations), { recursive: true });
  for (const file of ["cli/dbctl", "package.json"]) await cp(join(root, file), join(home, file));
  for (const name of await readdir(join(root, "node_modules")))
    if (!name.startsWith(".")) await symlink(join(root, "node_modules", name), join(modules, name));
  return join(home, "cli", "dbctl");
}

test("an installed package backs up, verifies and restores", async () => {
  await using server = await startPostgres(15);
  await using folder = await makeScratchFolder("installed");
  const program = await install(folder.path);
  const dist = join(folder.path, "node_modules", "dbctl", "dist");
  assert.deepEqual((await readdir(dist)).toSorted(), [
    "agent",
    "cli",
    "controller",
    "core",
    "proto",
  ]);
  await access(join(dist, "agent", "data-worker.js"));
  await psql(server, "postgres", "create database source");
  await psql(server, "source", "create table t as select n from generate_series(1, 1000) n");
  const env = { PATH: "/usr/bin:/bin", DBCTL_STATE_DIR: join(folder.path, "state") };
  const run = async (...args: string[]) => {
    const { stdout } = await execute(program, [...args, "--json"], { env, cwd: "/" });
    return JSON.parse(stdout) as Record<string, unknown>;
  };
  const [repo, identity] = [`file://${folder.path}/repo`, join(folder.path, "id.txt")];
  await run("repo", "init", repo, "--identity-out", identity);
  await run("backup", server.url("source"), "--repo", repo);
  const key = ["--repo", repo, "--identity", identity];
  assert.equal((await run("verify", "latest", ...key))["ok"], true);
  const to = ["--to", server.url("copy"), "--create"];
  assert.equal((await run("restore", "latest", ...key, ...to))["rows"], 1000);
});

test("an installed package starts as controller and agent when called by their names", async () => {
  await using folder = await makeScratchFolder("installed");
  const program = await install(folder.path);
  const controller = join(folder.path, "dbctl-controller");
  const agent = join(folder.path, "dbctl-agent");
  for (const link of [controller, agent]) await symlink(program, link);
  const addresses = ["--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0"];
  const child = spawn(controller, ["--state", join(folder.path, "state"), ...addresses], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const closed = once(child, "close");
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  assert.match(line.toString(), /^ready 127\.0\.0\.1:\d+\n/);
  child.kill("SIGTERM");
  assert.deepEqual(await closed, [0, null]);
  const missing = execute(agent, ["--config", join(folder.path, "no.yaml")]);
  await assert.rejects(missing, { code: 66, stderr: /no\.yaml/ });
});
