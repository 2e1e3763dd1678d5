import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFile, mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { makeScratchFolder } from "./fixtures/scratch-folder.ts";

const execute = promisify(execFile);
const launcher = fileURLToPath(new URL("../cli/dbctl", import.meta.url));

test("the launcher works through a link, from any directory, without Node in the path", async () => {
  await using folder = await makeScratchFolder("launcher");
  const link = join(folder.path, "dbctl");
  await symlink(launcher, link);
  const env = { PATH: "/usr/bin:/bin" };
  const { stdout } = await execute(link, ["--version"], { cwd: "/", env });
  assert.match(stdout, /^\d+\.\d+\.\d+\n$/);
});

test("the launcher of a fresh clone says what to run first", async () => {
  await using folder = await makeScratchFolder("launcher");
  const cli = join(folder.path, "cli");
  await mkdir(cli);
  await copyFile(launcher, join(cli, "dbctl"));
  await writeFile(join(cli, "main.ts"), "");
  await assert.rejects(execute(join(cli, "dbctl"), ["--version"]), {
    code: 78,
    stderr: /no packages\n {2}→ Run `npm ci --ignore-scripts` there\n$/,
  });
});

test("every command has help with an example", async () => {
  for (const command of [
    ["repo", "init"],
    ["backup"],
    ["restore"],
    ["verify"],
    ["backups", "ls"],
  ]) {
    const { stdout } = await execute(launcher, [...command, "--help"]);
    assert.match(stdout, /Usage: dbctl/);
    assert.match(stdout, /Example/, command.join(" "));
    assert.match(stdout, /--json/, command.join(" "));
  }
});
