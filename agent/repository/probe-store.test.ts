import assert from "node:assert/strict";
import { test } from "node:test";
import { createMemoryStore } from "../store/memory/memory-store.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { probeStore } from "./probe-store.ts";

const { signal } = new AbortController();

test("probeStore() is content with a store that keeps its promises, and leaves nothing", async () => {
  const objects = new Map<string, Uint8Array>();
  await probeStore(createMemoryStore(objects), { signal });
  assert.equal(objects.size, 0);
});

test("probeStore() refuses a store that replaces, hides or changes objects", async () => {
  const objects = new Map<string, Uint8Array>();
  const honest = createMemoryStore(objects);
  const liars: ObjectStore[] = [
    {
      ...honest,
      put: async (key, body) => {
        const bytes = Buffer.concat(await Array.fromAsync(body));
        objects.set(key, bytes);
        return { key, size: bytes.length };
      },
    },
    { ...honest, list: async function* () {} },
    {
      ...honest,
      get: (key, { signal }) => honest.get(key, { range: { offset: 0, length: 3 }, signal }),
    },
  ];
  for (const store of liars) {
    await assert.rejects(probeStore(store, { signal }), { code: "cannot-create" });
    assert.equal(objects.size, 0);
  }
});
