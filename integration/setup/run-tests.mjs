// Runs the tests: `npm test`, or `npm test -- postgres` for the files whose path holds a word.
// A file's name says what its tests need (`x.pg.test.ts`). What is missing is left out and named;
// under CI it is a failure. A test that leaves a process or a file behind fails the run.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, globSync, mkdtempSync, readFileSync, readdirSync } from "node:fs";
import { readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { azuriteFolder, serversFolder } from "./servers-folder.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const roots = "{core,agent,cli,controller,integration}";
const testTimeoutMs = 120_000;
/** A file whose tests have ended but that holds something open is silent for longer than a test. */
const stallMs = testTimeoutMs + 30_000;
/** How long what a test has ended may take to be gone. */
const graceMs = 3_000;

/** By suffix: what must be there. */
const needs = {
  pg: {
    name: "PostgreSQL 15 with pg_dump",
    files: ["/usr/lib/postgresql/15/bin/postgres", "/usr/lib/postgresql/15/bin/pg_dump"],
  },
  mysql: {
    name: "MariaDB with its client programs",
    files: ["/usr/sbin/mariadbd", "/usr/bin/mariadb", "/usr/bin/mariadb-dump"],
  },
  nats: { name: "nats-server", files: ["/usr/sbin/nats-server"] },
  s3: {
    name: "Ceph with its S3 gateway",
    files: ["ceph", "ceph-mon", "ceph-osd", "monmaptool", "radosgw"].map((x) => `/usr/bin/${x}`),
  },
  azure: { name: "Azurite", files: [azuriteFolder] },
  systemd: { name: "systemd-analyze", files: ["/usr/bin/systemd-analyze"] },
};

process.chdir(root);
process.exitCode = await runTests(process.argv.slice(2));

/** Gives the exit code. */
async function runTests(words) {
  const files = globSync(`${roots}/**/*.test.ts`, { exclude: (path) => path === "node_modules" })
    .filter((file) => words.length === 0 || words.some((word) => file.includes(word)))
    .toSorted();
  const leftOut = files.flatMap((file) => missingNeeds(file).map((need) => ({ file, need })));
  for (const { file, need } of leftOut) say(`Left out: ${file} needs ${need}`);
  if (leftOut.length > 0 && process.env.CI) {
    say("Under CI every test must run");
    return 1;
  }
  const runnable = files.filter((file) => !leftOut.some((left) => left.file === file));
  if (runnable.length === 0) {
    say(words.length === 0 ? "There are no tests" : `No test to run for: ${words.join(" ")}`);
    return 1;
  }
  return await runIsolated(runnable);
}

/** `a.pg.mysql.test.ts` needs two servers. */
function missingNeeds(file) {
  const [, ...suffixes] = basename(file, ".test.ts").split(".");
  return suffixes.flatMap((suffix) => {
    const need = needs[suffix];
    if (need === undefined) throw new Error(`${file}: nobody knows what ".${suffix}" needs`);
    return need.files.every((path) => existsSync(path)) ? [] : [need.name];
  });
}

/** The tests get a temp folder and a session of their own: whatever is left there is a leak. */
async function runIsolated(files) {
  const temp = mkdtempSync(join(tmpdir(), "dbctl-run-"));
  chmodSync(temp, 0o755);
  try {
    const { code, session, summary } = await runNode(files, temp);
    const leaks = [...(await endLeftProcesses(session, temp)), ...listLeftFiles(temp)];
    for (const leak of leaks) say(`Failed: the tests left behind ${leak}`);
    process.stdout.write(summary);
    return code === 0 && leaks.length > 0 ? 1 : code;
  } finally {
    rmSync(temp, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Shows what node prints, but keeps the summary back, so that it can be shown last. */
async function runNode(files, temp) {
  const options = ["--test", "--test-reporter=spec", "--test-concurrency=2"];
  const child = spawn(
    process.execPath,
    [...options, `--test-timeout=${testTimeoutMs}`, ...files.map((file) => `./${file}`)],
    {
      detached: true,
      stdio: ["ignore", "pipe", "inherit"],
      env: {
        ...process.env,
        TMPDIR: temp,
        DBCTL_TEST_SERVERS: serversFolder,
        ...(process.stdout.isTTY ? { FORCE_COLOR: "1" } : {}),
      },
    },
  );
  for (const signal of ["SIGINT", "SIGTERM"])
    process.on(signal, () => process.kill(-child.pid, signal));
  const closed = once(child, "close");
  const watch = setTimeout(() => {
    endStalledFiles(child.pid, temp);
    watch.refresh();
  }, stallMs);
  const summary = [];
  for await (const line of createInterface({ input: child.stdout })) {
    watch.refresh();
    // oxlint-disable-next-line no-control-regex
    if (summary.length > 0 || /^(?:\x1b\[\d+m)*ℹ tests \d+/.test(line)) summary.push(`${line}\n`);
    else process.stdout.write(`${line}\n`);
  }
  clearTimeout(watch);
  const [code, signal] = await closed;
  if (signal !== null) say(`Failed: node --test was ended by ${signal}`);
  return { code: code ?? 1, session: child.pid, summary: summary.join("") };
}

/** node waits for ever for a file that does not end: `--test-timeout` holds for tests only. */
function endStalledFiles(runner, temp) {
  for (const { pid, parent, command } of listProcesses(runner, temp)) {
    if (parent !== runner) continue;
    say(`Failed: nothing happened for ${stallMs / 1000} s, ending ${command.split(" ").at(-1)}`);
    end(pid);
  }
}

/** Ends what is left and names it, after some grace for what is just going. */
async function endLeftProcesses(session, temp) {
  const deadline = Date.now() + graceMs;
  let left = listProcesses(session, temp);
  while (left.length > 0 && Date.now() < deadline) {
    await sleep(50);
    left = listProcesses(session, temp);
  }
  for (const { pid } of left) end(pid);
  return left.map(({ pid, command }) => `process ${pid}: ${command}`);
}

/** Processes of the tests' session, and others that work in their temp folder. Linux only. */
function listProcesses(session, temp) {
  if (!existsSync("/proc/self/stat")) return [];
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const command = readFileSync(`/proc/${name}/cmdline`, "utf8").replaceAll("\0", " ").trim();
        // proc(5): the name in parentheses may hold anything; state and session come after it.
        const stat = readFileSync(`/proc/${name}/stat`, "utf8");
        const [state, parent, , owner] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
        const ours = Number(owner) === session || command.includes(temp) || worksIn(name, temp);
        return ours && state !== "Z"
          ? [{ pid: Number(name), parent: Number(parent), command }]
          : [];
      } catch {
        return []; // It ended while we looked.
      }
    });
}

function end(pid) {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if (error.code !== "ESRCH") throw error;
  }
}

function worksIn(name, folder) {
  try {
    return readlinkSync(`/proc/${name}/cwd`).startsWith(folder);
  } catch {
    return false; // Another user's process, or none any more.
  }
}

function listLeftFiles(temp) {
  return readdirSync(temp).map((name) => `a file or folder: ${name}`);
}

function say(line) {
  process.stdout.write(`${line}\n`);
}
