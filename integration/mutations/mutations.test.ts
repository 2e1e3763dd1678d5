import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { makeScratchFolder } from "../fixtures/scratch-folder.ts";
import { commitOrder } from "./commit-order.ts";
import { deletion } from "./deletion.ts";
import { fleet } from "./fleet.ts";
import type { Mutation } from "./mutation.ts";
import { packing } from "./packing.ts";

// The proof that the tests can fail: each defect is put into a copy of the sources, and the tests
// that watch over it are run there.

const root = fileURLToPath(new URL("../..", import.meta.url));
const mutations: readonly Mutation[] = [...packing, ...commitOrder, ...deletion, ...fleet];

describe("the tests find", { concurrency: 2 }, () => {
  for (const mutation of mutations)
    test(mutation.defect, async () => {
      await using tree = await copySources();
      await mutate(tree.path, mutation);
      const { code, output } = await runTests(tree.path, mutation.tests);
      assert.notEqual(code, 0, "no test has found it");
      assert.match(output, /^ℹ fail [1-9]/m, output);
      // A copy that does not even load would look like a defect that was found.
      assert.doesNotMatch(output, /SyntaxError|ReferenceError|ERR_MODULE_NOT_FOUND/);
    });
});

test("there are at least 20 defects, each of its own", () => {
  assert.ok(mutations.length >= 20);
  assert.equal(new Set(mutations.map(({ defect }) => defect)).size, mutations.length);
});

async function copySources() {
  const tree = await makeScratchFolder("mutation");
  for (const name of [
    "core",
    "agent",
    "controller",
    "proto",
    "package.json",
    "integration/fixtures",
  ])
    await cp(join(root, name), join(tree.path, name), { recursive: true });
  await symlink(join(root, "node_modules"), join(tree.path, "node_modules"));
  return tree;
}

async function mutate(folder: string, { file, from, to }: Mutation): Promise<void> {
  const path = join(folder, file);
  const text = await readFile(path, "utf8");
  assert.equal(text.split(from).length, 2, `${file} must hold once: ${from}`);
  await writeFile(
    path,
    text.replace(from, () => to),
  );
}

async function runTests(folder: string, tests: readonly string[]) {
  const temp = join(folder, "temp");
  await mkdir(temp);
  const args = ["--test", "--test-reporter=spec", "--test-timeout=30000", ...tests];
  const child = spawn(process.execPath, args, {
    cwd: folder,
    // Within a test runner's process, node prints for that runner. A defect may hang a test, which is
    // then killed and leaves its folders: they go with the copy.
    env: { ...process.env, NODE_TEST_CONTEXT: undefined, TMPDIR: temp },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => (output += text));
  const [code] = (await once(child, "close")) as [number | null];
  return { code, output };
}
