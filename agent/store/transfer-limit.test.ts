import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { createMemoryStore } from "./memory/memory-store.ts";
import { createRemoteStore } from "./remote/remote-store.ts";
import { createScratchClient } from "./remote/scratch-client.ts";
import {
  capsFromEnvironment,
  createTransferCap,
  openTransferLimit,
  openTransferLimits,
  type TransferCap,
  withTransferLimits,
} from "./transfer-limit.ts";

const { signal } = new AbortController();
const rate = 2e6;
const body = Buffer.alloc(4e6, 7);

function cap(bytesPerSecond = rate): TransferCap {
  const made = createTransferCap(bytesPerSecond);
  assert.ok(made);
  return made;
}

async function seconds(run: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await run();
  return (performance.now() - began) / 1000;
}

/** 4 MB at 2 MB/s, less the burst of 250 ms; a busy machine may be late. */
function assertCapped(took: number): void {
  assert.ok(took > 1.7 && took < 3.5, `${took} s`);
}

test("withTransferLimits() keeps the caps of what goes up and what comes down, each its own", async () => {
  const limits = openTransferLimits({ upload: cap(), download: cap() });
  const store = withTransferLimits(createMemoryStore(), limits);
  const other = withTransferLimits(createMemoryStore(), {});
  await Promise.all([
    seconds(() => store.put("a", [body], { signal })).then(assertCapped),
    seconds(() => other.put("a", [body], { signal })).then((took) => assert.ok(took < 0.5)),
  ]);
  const down = seconds(() => Array.fromAsync(store.get("a", { signal })));
  assertCapped(await down);
});

test("createRemoteStore() keeps the caps where bytes go over the network, retries included", async () => {
  const client = createScratchClient({ createOnlyBytes: 8 << 20 });
  client.script = ({ method, n }) =>
    method === "create" && n === 0 ? { kind: "lose-answer" } : undefined;
  client.objects.set("b", body);
  const up = createRemoteStore(client, { limits: openTransferLimits({ upload: cap() }) });
  const down = createRemoteStore(client, { limits: openTransferLimits({ download: cap() }) });
  const read = async () => {
    const got = await Array.fromAsync(down.get("b", { signal }));
    assert.ok(Buffer.concat(got).equals(body));
  };
  await Promise.all([
    // Sent twice: the first answer is lost.
    seconds(() => up.put("a", [body.subarray(0, 2e6)], { signal })).then((took) =>
      assert.ok(took > 1.7 && took < 3.5, `${took} s`),
    ),
    seconds(read).then(assertCapped),
  ]);
});

test("openTransferLimit() is shared by all threads", async () => {
  const shared = cap();
  const script = `
    const { workerData } = require("node:worker_threads");
    import(workerData.module).then(async ({ openTransferLimit }) => {
      const limit = openTransferLimit(workerData.cap);
      const { signal } = new AbortController();
      for (let n = 0; n < 20; n++) await limit.take(1e5, { signal });
    });`;
  const module = new URL("./transfer-limit.ts", import.meta.url).href;
  const limit = openTransferLimit(shared);
  const own = async () => {
    for (let n = 0; n < 20; n++) await limit.take(1e5, { signal });
  };
  const took = await seconds(async () => {
    const worker = new Worker(script, { eval: true, workerData: { module, cap: shared } });
    const [[code]] = await Promise.all([once(worker, "exit"), own()]);
    assert.equal(code, 0);
  });
  assert.ok(took > 1.7 && took < 3.5, `${took} s`);
});

test("openTransferLimit() ends a wait at once when it is cancelled", async () => {
  const limit = openTransferLimit(cap(1));
  const took = await seconds(async () => {
    const soon = AbortSignal.timeout(50);
    await assert.rejects(limit.take(1000, { signal: soon }), { name: "TimeoutError" });
  });
  assert.ok(took < 0.5);
});

test("createTransferCap() makes none of 0", () => {
  assert.equal(createTransferCap(0), undefined);
});

test("capsFromEnvironment() reads both variables, and names the one that is wrong", () => {
  const { upload, download } = capsFromEnvironment({ DBCTL_UPLOAD_LIMIT: "800Mbps" });
  assert.deepEqual([upload?.bytesPerSecond, download], [100e6, undefined]);
  assert.throws(() => capsFromEnvironment({ DBCTL_DOWNLOAD_LIMIT: "100" }), {
    code: "config-invalid",
    message: /DBCTL_DOWNLOAD_LIMIT: "100" is no rate: 100 what\?/,
  });
});
