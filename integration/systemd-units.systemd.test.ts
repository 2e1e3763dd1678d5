import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFile, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";

const run = promisify(execFile);
const folder = new URL("../deploy/systemd/", import.meta.url);
const units = (await readdir(folder)).filter((name) => name.endsWith(".service"));

/** `verify` looks for the program, which is not installed here. */
async function copyOf(unit: string) {
  const scratch = await mkdtemp(join(tmpdir(), "dbctl-unit-"));
  const path = join(scratch, unit);
  const text = await readFile(new URL(unit, folder), "utf8");
  const copy = text.replace(/^ExecStart=\S+/m, "ExecStart=/bin/true");
  assert.notEqual(copy, text);
  await writeFile(path, copy);
  return { path, [Symbol.asyncDispose]: () => rm(scratch, { recursive: true }) };
}

test("there are the units of controller, agent and pruner", () => {
  const names = ["dbctl-agent.service", "dbctl-controller.service", "dbctl-prune.service"];
  assert.deepEqual(units.toSorted(), names);
});

test("systemd runs the pruner at two each night, at most ten minutes later", async () => {
  await using service = await copyOf("dbctl-prune.service");
  const timer = join(service.path, "../dbctl-prune.timer");
  await copyFile(new URL("dbctl-prune.timer", folder), timer);
  const { stderr } = await run("systemd-analyze", ["verify", "--man=no", timer]);
  assert.equal(stderr, "");
  const text = await readFile(timer, "utf8");
  const [, calendar = ""] = /^OnCalendar=(.*)$/m.exec(text) ?? [];
  const { stdout } = await run("systemd-analyze", ["calendar", calendar]);
  assert.match(stdout, /Next elapse: \S+ \S+ 02:00:00/);
  assert.match(text, /^RandomizedDelaySec=10min$/m);
});

for (const unit of units) {
  test(`systemd has nothing to say against ${unit}`, async () => {
    await using copy = await copyOf(unit);
    // An unknown key is only a warning, with exit code 0.
    const { stderr } = await run("systemd-analyze", ["verify", "--man=no", copy.path]);
    assert.equal(stderr, "");
  });

  test(`${unit} exposes its host to 2.0 at most`, async () => {
    await using copy = await copyOf(unit);
    const { stdout } = await run("systemd-analyze", [
      "security",
      "--no-pager",
      "--offline=true",
      "--threshold=20",
      copy.path,
    ]);
    assert.match(stdout, /Overall exposure level/);
  });
}
