import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, posix } from "node:path";
import { before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
/** Holds the bad examples, so that the rules on texts would find them here. */
const self = "core/tidy.test.ts";

interface Source {
  path: string;
  text: string;
}

interface Finding {
  line: number;
  what: string;
}

type Rule = (source: Source) => Finding[];

// Architecture

const arrows: Record<string, readonly string[]> = {
  proto: [],
  core: ["proto"],
  agent: ["core", "proto"],
  controller: ["core", "proto"],
  cli: ["core", "proto"],
  integration: ["agent", "cli", "controller", "core", "proto"],
};

/** All that the lower layers of the data plane may know of agent/: ports and plain types. */
const layerDoors: Record<string, readonly string[]> = {
  "agent/engines": ["agent/pipeline/row-sink.ts"],
  "agent/repository": ["agent/pipeline/row-chunker.ts", "agent/store/object-store.ts"],
  "agent/store": [],
  "agent/pipeline": [],
};

const adapter =
  /^agent\/(?:engines\/(?:postgres|mysql|memory)|store\/(?:filesystem|memory|s3|azure|gcs)|kms\/(?:aws|vault))\//;
const mayImportAdapters =
  /^(?:agent\/(?:adapters|main|data-worker)\.ts$|cli\/direct\/|integration\/)/;
/** Where the command line runs the agent's use cases in its own process. */
const mayImportAgent = /^cli\/(?:direct|commands)\//;

/** What tests are made of besides themselves counts as one, and only tests may import it. */
const isTest = (path: string) => /(?:\.test|-contract|-scripts|scratch[^/]*)\.ts$/.test(path);
const isCode = (path: string) => /\.(?:ts|mts|mjs|js)$/.test(path);
const folderOf = (path: string, depth: number) => path.split("/").slice(0, depth).join("/");

const relativeImport =
  /(?:\bfrom\s*|\bimport\s*\(?\s*|\bnew URL\(\s*)"(\.[^"\n]*\.(?:ts|mts|mjs|js))"/g;

function importsOf({ path, text }: Source): { line: number; target: string }[] {
  return [...text.matchAll(relativeImport)].map((match) => ({
    line: lineAt(text, match.index),
    target: posix.join(posix.dirname(path), match[1] ?? ""),
  }));
}

function arrowFindings(source: Source): Finding[] {
  const from = folderOf(source.path, 1);
  return importsOf(source)
    .filter(({ target }) => !mayCross(source.path, from, target))
    .map(({ line, target }) => ({ line, what: `${from}/ must not import ${target}` }));
}

function mayCross(path: string, from: string, target: string): boolean {
  const to = folderOf(target, 1);
  if (to === from || arrows[from]?.includes(to)) return true;
  if (mayImportAgent.test(path) && to === "agent") return true;
  return isTest(path) && folderOf(target, 2) === "integration/fixtures";
}

function layerFindings(source: Source): Finding[] {
  const layer = folderOf(source.path, 2);
  const doors = layerDoors[layer];
  if (doors === undefined || isTest(source.path)) return [];
  return importsOf(source)
    .filter(({ target }) => folderOf(target, 1) === "agent" && folderOf(target, 2) !== layer)
    .filter(({ target }) => !doors.includes(target))
    .map(({ line, target }) => ({ line, what: `${layer}/ must not know ${target}` }));
}

function adapterFindings(source: Source): Finding[] {
  if (isTest(source.path) || mayImportAdapters.test(source.path)) return [];
  return importsOf(source)
    .filter(({ target }) => adapter.test(target))
    .filter(({ target }) => adapter.exec(target)?.[0] !== adapter.exec(source.path)?.[0])
    .map(({ line, target }) => ({
      line,
      what: `only main files may import the adapter ${target}`,
    }));
}

function testFindings(source: Source): Finding[] {
  if (isTest(source.path) || source.path.startsWith("integration/")) return [];
  return importsOf(source)
    .filter(({ target }) => isTest(target))
    .map(({ line, target }) => ({ line, what: `only tests may import ${target}` }));
}

/**
 * A file in core/ that too few use belongs to the folder that uses it. A folder in core/ counts as
 * one thing, and what one thing in core/ needs of another is used by all who use the first.
 */
function lonelyCoreFiles(sources: readonly Source[]): string[] {
  const least = sources.some(({ path }) => path.startsWith("controller/")) ? 2 : 1;
  const users = coreUsers(sources.filter(({ path }) => isCode(path)));
  const things = sources.map(({ path }) => path).filter((path) => /^core\/.*\.ts$/.test(path));
  return [...new Set(things.filter((path) => !isTest(path)).map(coreThing))]
    .filter((thing) => [...(users.get(thing) ?? [])].filter((f) => !isCore(f)).length < least)
    .map((thing) => `${thing}: must be imported by at least ${least} of the top-level folders`);
}

const isCore = (path: string) => folderOf(path, 1) === "core";
const coreThing = (path: string) => (isCore(path) ? folderOf(path, 2) : folderOf(path, 1));

/** By thing in core/: the top-level folders and the other things in core/ that use it. */
function coreUsers(sources: readonly Source[]): Map<string, Set<string>> {
  const users = new Map<string, Set<string>>();
  for (const source of sources.filter(({ path }) => !isCore(path) || !isTest(path)))
    for (const { target } of importsOf(source).filter((one) => isCore(one.target))) {
      const [thing, user] = [coreThing(target), coreThing(source.path)];
      if (thing !== user) users.set(thing, (users.get(thing) ?? new Set()).add(user));
    }
  // A set goes on with what is added to it on the way.
  for (const all of users.values())
    for (const user of all) for (const one of users.get(user) ?? []) all.add(one);
  return users;
}

// Texts

const soft = 300;
const hard = 350;
const hardForTests = 600;

function lengthFindings({ path, text }: Source): Finding[] {
  if (!isCode(path)) return [];
  const lines = text.split("\n").length - 1;
  const limit = isTest(path) ? hardForTests : hard;
  return lines > limit ? [{ line: limit + 1, what: `has ${lines} lines, at most ${limit}` }] : [];
}

/** A rule that finds every match of the pattern, in files that `applies` picks or in all. */
function forbid(pattern: RegExp, what: string, applies?: (path: string) => boolean): Rule {
  return ({ path, text }) =>
    applies === undefined || applies(path)
      ? [...text.matchAll(pattern)].map((match) => ({ line: lineAt(text, match.index), what }))
      : [];
}

const barrelFindings = forbid(
  /^export\s+(?:type\s+)?(?:\*|\{[^}]*\})[^;]*?\bfrom\b/gm,
  "re-exports: import from the file that defines it",
  isCode,
);
const unrunTestFindings = forbid(
  /\.(?:only|skip|todo)\(|\b(?:only|skip|todo): *(?:true|["'`])/g,
  "every test runs",
  (path) => path.endsWith(".test.ts"),
);
const machinePathFindings = forbid(
  /(?<![\w./~-])\/(?:work|root|home|Users)\//g,
  "holds an absolute path of some machine",
);
const outsideFindings = forbid(/\.\.\/shared\b/g, "refers to what is not in this repository");
const registryFindings = forbid(
  /"resolved":\s*"http/g,
  "names a registry host",
  (path) => posix.basename(path) === "package-lock.json",
);

function lineAt(text: string, index: number): number {
  return text.slice(0, index).split("\n").length;
}

const rules: Record<string, Rule> = {
  "imports point only in the allowed directions": arrowFindings,
  "engines, store, repository and pipeline know only each other's ports": layerFindings,
  "adapters are imported by main files, direct commands and tests only": adapterFindings,
  "what is made for tests is imported by tests only": testFindings,
  "files are short": lengthFindings,
  "there are no barrel files": barrelFindings,
  "no test is left out in its source": unrunTestFindings,
  "no file names a path of some machine": machinePathFindings,
  "no file refers to what is outside": outsideFindings,
  "the lock file names no registry host": registryFindings,
};

// The rules on every file that is, or is about to be, in the repository

describe("tidy", () => {
  let sources: Source[] = [];
  before(() => {
    sources = readSources();
  });

  for (const [title, rule] of Object.entries(rules)) {
    test(title, () => {
      const lines = sources
        .filter(({ path }) => path !== self)
        .flatMap((source) =>
          rule(source).map(({ line, what }) => `${source.path}:${line}: ${what}`),
        );
      assert.equal(lines.length, 0, `\n${lines.join("\n")}`);
    });
  }

  test("every file in core/ is used by those who share it", () => {
    const lines = lonelyCoreFiles(sources);
    assert.equal(lines.length, 0, `\n${lines.join("\n")}`);
  });

  test("files that grow too long are named", (t) => {
    for (const { path, text } of sources) {
      const lines = text.split("\n").length - 1;
      if (isCode(path) && !isTest(path) && lines > soft) t.diagnostic(`${path}: ${lines} lines`);
    }
    assert.ok(sources.length > 20, `read ${sources.length} files only`);
  });
});

function readSources(): Source[] {
  const list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
  return execFileSync("git", list, { cwd: root, encoding: "utf8" })
    .split("\0")
    .filter((path) => path !== "" && existsSync(join(root, path)))
    .filter((path) => statSync(join(root, path)).isFile() && !/(?:^|\/)gen\//.test(path))
    .map((path) => ({ path, text: readFileSync(join(root, path), "utf8") }))
    .filter(({ text }) => !text.includes("\0"));
}

// The rules on made-up files

describe("tidy's rules", () => {
  const bad: [rule: Rule, path: string, text: string, line: number][] = [
    [arrowFindings, "core/a.ts", `import { b } from "../agent/b.ts";`, 1],
    [arrowFindings, "agent/a.ts", `\nimport type {\n  B,\n} from "../cli/b.ts";`, 4],
    [arrowFindings, "controller/a.ts", `await import("../agent/b.ts")`, 1],
    [arrowFindings, "agent/a.ts", `new Worker(new URL("../cli/b.ts", import.meta.url))`, 1],
    [arrowFindings, "cli/output/a.ts", `import "../../agent/b.ts";`, 1],
    [arrowFindings, "agent/a.ts", `import { f } from "../integration/fixtures/f.ts";`, 1],
    [arrowFindings, "agent/a.test.ts", `import { f } from "../integration/demo/f.ts";`, 1],
    [layerFindings, "agent/store/a.ts", `import { c } from "../pipeline/row-chunker.ts";`, 1],
    [layerFindings, "agent/engines/x/a.ts", `import { c } from "../../store/object-store.ts";`, 1],
    [layerFindings, "agent/repository/a.ts", `import { c } from "../pipeline/pool.ts";`, 1],
    [layerFindings, "agent/engines/x/a.ts", `import { c } from "../../lanes/lane.ts";`, 1],
    [adapterFindings, "agent/backup/a.ts", `import { p } from "../engines/postgres/p.ts";`, 1],
    [adapterFindings, "agent/engines/mysql/a.ts", `import { p } from "../postgres/p.ts";`, 1],
    [adapterFindings, "cli/a.ts", `\n\nimport { p } from "../agent/store/memory/p.ts";`, 3],
    [testFindings, "agent/backup/a.ts", `import { s } from "./memory-scratch.ts";`, 1],
    [testFindings, "agent/engines/a.ts", `\nimport { d } from "./engine-contract.ts";`, 2],
    [lengthFindings, "agent/a.ts", "x\n".repeat(hard + 1), hard + 1],
    [lengthFindings, "agent/a.test.ts", "x\n".repeat(hardForTests + 1), hardForTests + 1],
    [barrelFindings, "agent/a.ts", `export * from "./b.ts";`, 1],
    [barrelFindings, "agent/a.ts", `x;\nexport { a,\n b } from "./b.ts";`, 2],
    [barrelFindings, "agent/a.ts", `export type { B } from "./b.ts";`, 1],
    [unrunTestFindings, "agent/a.test.ts", `it.only("x", () => {});`, 1],
    [unrunTestFindings, "agent/a.test.ts", `\nt.skip("later");`, 2],
    [unrunTestFindings, "agent/a.test.ts", `test("x", { skip: true }, f);`, 1],
    [machinePathFindings, "README.md", "see /root/x", 1],
    [machinePathFindings, "docs/a.md", "\n`/home/ann/dbctl`", 2],
    [outsideFindings, "docs/a.md", "see ../shared/design.md", 1],
    [registryFindings, "package-lock.json", `{\n"resolved": "https://npm.example/x.tgz"`, 2],
  ];
  for (const [rule, path, text, line] of bad) {
    test(`${rule.name || "forbid()"} finds ${JSON.stringify(text.slice(0, 60))} in ${path}`, () => {
      assert.deepEqual(
        rule({ path, text }).map((finding) => finding.line),
        [line],
      );
    });
  }

  const good: [path: string, text: string][] = [
    ["agent/a.ts", `import { b } from "../core/b.ts";\nimport { c } from "./engines/engine.ts";`],
    ["agent/adapters.ts", `import { p } from "./engines/postgres/p.ts";`],
    ["agent/engines/postgres/a.ts", `import type { S } from "../../pipeline/row-sink.ts";`],
    ["agent/engines/postgres/b.ts", `import { a } from "./a.ts";`],
    ["agent/engines/a.pg.test.ts", `import { f } from "../../integration/fixtures/f.ts";`],
    ["agent/backup/a.test.ts", `import { m } from "../engines/memory/m.ts";`],
    ["cli/direct/a.ts", `import { b } from "../../agent/backup/b.ts";`],
    ["integration/a.ts", `import { b } from "../agent/store/memory/b.ts";`],
    ["agent/a.ts", "x\n".repeat(hard)],
    ["agent/a.ts", `export { a };\nconst text = "from";`],
    ["agent/a.ts", `rows.skip(2); url = "https://x.example/home/y"; dir = "./home/z";`],
    ["package-lock.json", `"integrity": "sha512-x"`],
  ];
  for (const [path, text] of good) {
    test(`no rule objects to ${JSON.stringify(text.slice(0, 60))} in ${path}`, () => {
      assert.deepEqual(
        Object.values(rules).flatMap((rule) => rule({ path, text })),
        [],
      );
    });
  }

  test("lonelyCoreFiles() names what too few folders use, by itself or through others", () => {
    const empty = (path: string) => ({ path, text: "" });
    const use = (path: string, target: string) => ({ path, text: `import "${target}";` });
    const named = (...sources: Source[]) =>
      lonelyCoreFiles(sources).map((line) => line.split(":")[0]);
    const used = [use("core/b.ts", "./a.ts"), use("agent/c.ts", "../core/b.ts")];
    assert.deepEqual(named(empty("core/a.ts"), use("core/a.test.ts", "./a.ts")), ["core/a.ts"]);
    assert.deepEqual(named(empty("core/a.ts"), ...used), []);
    const two = [empty("core/a.ts"), ...used, use("controller/d.ts", "../core/a.ts")];
    assert.deepEqual(named(...two), ["core/b.ts"]);
    const folder = [
      empty("core/e/f.ts"),
      empty("core/e/g.ts"),
      use("controller/h.ts", "../core/e/f.ts"),
    ];
    assert.deepEqual(named(...two, ...folder), ["core/b.ts", "core/e"]);
    assert.deepEqual(named(...two, ...folder, use("cli/i.ts", "../core/e/g.ts")), ["core/b.ts"]);
  });
});

// What the linter holds, proven with its own configuration on made-up files

describe("the linter", () => {
  const long = `export function f() {\n${"  void 0;\n".repeat(70)}}\n`;
  const refused: [rule: string, text: string][] = [
    ["no-explicit-any", "export const a: any = 1;\n"],
    ["no-console", 'console.log("x");\n'],
    ["no-default-export", "export default 1;\n"],
    ["max-lines-per-function", long],
    ["max-params", "export function f(a: 1, b: 2, c: 3, d: 4) { return [a, b, c, d]; }\n"],
  ];

  test("refuses `any`, console, default exports, long functions and long parameter lists", async () => {
    const folder = await mkdtemp(join(tmpdir(), "dbctl-tidy-"));
    try {
      for (const [rule, text] of refused) await writeFile(join(folder, `${rule}.ts`), text);
      await writeFile(join(folder, "good.ts"), "export const a = 1;\n");
      const output = lint(folder);
      for (const [rule] of refused) assert.match(output, new RegExp(`${rule}.ts:.*${rule}\\b`));
      assert.doesNotMatch(output, /good\.ts/);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  function lint(folder: string): string {
    const program = join(root, "node_modules", ".bin", "oxlint");
    const args = ["-c", join(root, ".oxlintrc.json"), "--format", "unix", folder];
    try {
      execFileSync(program, args, {
        cwd: dirname(folder),
        encoding: "utf8",
        stdio: ["ignore", "pipe", "pipe"],
        env: { ...process.env, PATH: `${dirname(process.execPath)}:${process.env["PATH"]}` },
      });
    } catch (error) {
      return String((error as { stdout?: unknown }).stdout);
    }
    return assert.fail("the linter found nothing");
  }
});
