import assert from "node:assert/strict";
import { test } from "node:test";
import { DbctlError } from "../../core/errors.ts";
import {
  createMemoryDatabase,
  createMemoryEngine,
  createMemoryServer,
} from "../engines/memory/engine.ts";
import { lookAtInstances } from "./look-at-instances.ts";

const { signal } = new AbortController();

test("lookAtInstances() lists databases, and a server that is down with its reason", async () => {
  const server = createMemoryServer();
  server.databases.set("shop", createMemoryDatabase({ orders: ["1"] }));
  server.databases.set("crm", createMemoryDatabase());
  const labels = { env: "prod" };
  const down = new DbctlError("engine-unreachable", "Cannot reach it: refused", {
    remedy: "Start it",
    retryable: true,
  });
  const [up, silent] = await lookAtInstances(
    [
      {
        name: "main",
        engine: "postgres",
        labels,
        open: async () => createMemoryEngine(server, "shop"),
      },
      { name: "other", engine: "mysql", labels: {}, open: () => Promise.reject(down) },
    ],
    { signal },
  );
  assert.deepEqual(
    [up?.engine, up?.version, up?.instanceId, up?.labels, up?.error],
    ["memory", "1", "memory-1", labels, undefined],
  );
  assert.deepEqual(
    up?.databases.map(({ name, size }) => [name, size]),
    [
      ["shop", 1n],
      ["crm", 0n],
    ],
  );
  assert.deepEqual([silent?.name, silent?.engine, silent?.databases], ["other", "mysql", []]);
  assert.deepEqual([silent?.error?.code, silent?.error?.retryable], ["engine-unreachable", true]);
});
