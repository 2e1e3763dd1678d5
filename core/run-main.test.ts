import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";

const runMain = new URL("./run-main.ts", import.meta.url).href;
const errors = new URL("./errors.ts", import.meta.url).href;

/** Runs the text as the body of a process' work; `signal` and `DbctlError` are at hand. */
function start(work: string) {
  const program = `
    import { runMain } from ${JSON.stringify(runMain)};
    import { DbctlError } from ${JSON.stringify(errors)};
    await runMain(async (signal) => { ${work} });`;
  const args = ["--input-type=module", "-e", program];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  const printed: string[] = [];
  child.stderr.on("data", (piece: Buffer) => printed.push(piece.toString()));
  return { child, closed: once(child, "close"), printed: () => printed.join("") };
}

test("runMain() ends the process when its work fails, whatever else still runs", async () => {
  const failing = start(`
    setInterval(() => {}, 1000);
    throw new DbctlError("port-taken", "Cannot listen: taken", { remedy: "wait" });`);
  assert.deepEqual(await failing.closed, [69, null]);
  assert.match(failing.printed(), /"event":"failed","code":"port-taken"/);
});

test("runMain() aborts its signal at the first SIGTERM, and a drained work exits with 0", async () => {
  const draining = start(`
    const alive = setInterval(() => {}, 1000);
    process.stdout.write("ready");
    await new Promise((done) => signal.addEventListener("abort", done));
    clearInterval(alive);
    throw signal.reason;`);
  await once(draining.child.stdout, "data");
  draining.child.kill("SIGTERM");
  assert.deepEqual(await draining.closed, [0, null]);
  assert.match(draining.printed(), /"event":"stopped"/);
});

test("runMain() ends at once at the second SIGTERM", async () => {
  const stuck = start(`
    setInterval(() => {}, 1000);
    signal.addEventListener("abort", () => process.stdout.write("stopping"));
    process.stdout.write("ready");
    await new Promise(() => {});`);
  await once(stuck.child.stdout, "data");
  stuck.child.kill("SIGTERM");
  await once(stuck.child.stdout, "data");
  stuck.child.kill("SIGTERM");
  assert.deepEqual(await stuck.closed, [130, null]);
});
