import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createRemoteStore } from "./remote-store.ts";
import { retryPolicies } from "./retry-policy.ts";
import { createScratchClient, type Fault, type Method } from "./scratch-client.ts";

const { signal } = new AbortController();
const impatient = { random: () => 0, now: () => performance.now(), sleep: async () => {} };

function open(
  script: (request: { method: Method; n: number }) => Fault | undefined = () => undefined,
) {
  const client = createScratchClient();
  client.script = script;
  const retries = retryPolicies.default;
  return { client, store: createRemoteStore(client, { retries, parts: impatient }) };
}

const first =
  (method: Method, fault: Fault) =>
  (request: { method: Method; n: number }): Fault | undefined =>
    request.method === method && request.n === 0 ? fault : undefined;

const lost: Fault = { kind: "lose-answer" };
const refused = (status: number): Fault => ({ kind: "refuse", status });

describe("put() when answers get lost", () => {
  test("counts as written what is proven to be there", async () => {
    const { client, store } = open(first("create", lost));
    await store.put("a", [Buffer.from("abc")], { signal });
    assert.equal(client.objects.get("a")?.toString(), "abc");
    assert.deepEqual(
      client.requests.map(({ method }) => method),
      ["create", "create", "head", "read"],
    );
  });

  test("is no success when another one's bytes are there", async () => {
    for (const theirs of ["abd", "abcd"]) {
      const { client, store } = open(first("create", refused(503)));
      client.objects.set("a", Buffer.from(theirs));
      const put = store.put("a", [Buffer.from("abc")], { signal });
      await assert.rejects(put, { code: "object-exists" });
    }
  });

  test("is no success when the first answer says that the object exists, even the same one", async () => {
    const { client, store } = open();
    client.objects.set("a", Buffer.from("abc"));
    const put = store.put("a", [Buffer.from("abc")], { signal });
    await assert.rejects(put, { code: "object-exists" });
  });

  test("counts as written what exists after a try of ours where looking is denied", async () => {
    const { store } = open((request) =>
      request.method === "head" ? refused(403) : first("create", lost)(request),
    );
    await store.put("a", [Buffer.from("abc")], { signal });
  });

  test("holds for an object in parts as well", async () => {
    const bytes = Buffer.alloc(9 << 20, 7);
    for (const denied of [false, true]) {
      const { client, store } = open((request) =>
        denied && request.method === "head" ? refused(403) : first("complete", lost)(request),
      );
      const put = store.put("a", [bytes], { signal });
      // Whoever cannot look cannot know where the upload has gone.
      if (denied) await assert.rejects(put, { code: "repository-unknown" });
      else await put;
      assert.ok(client.objects.get("a")?.equals(bytes));
    }
  });
});

describe("put() of an object in parts", () => {
  const bytes = Buffer.from(Array.from({ length: 20 }, (_, n) => n)).toString("hex");
  const body = Buffer.alloc(30 << 20, bytes);

  test("sends each part again by itself, and never more than 3 at once", async () => {
    const { client, store } = open(({ method, n }) =>
      method === "part" && n % 2 === 0 ? refused(500) : undefined,
    );
    await store.put("a", [body], { signal });
    assert.ok(client.objects.get("a")?.equals(body));
    assert.equal(client.mostParts, 3);
  });

  test("is forgotten by the store whatever fails, and the error is the first one", async () => {
    const cases: [Method, Fault, string][] = [
      ["part", refused(403), "store-denied"],
      ["complete", refused(400), "store-io"],
      ["head", refused(500), "store-unreachable"],
    ];
    for (const [method, fault, code] of cases) {
      const { client, store } = open((request) => (request.method === method ? fault : undefined));
      await assert.rejects(store.put("a", [body], { signal }), { code });
      assert.equal(client.open.size, 0, method);
      assert.equal(client.objects.size, 0, method);
    }
  });

  test("does not replace what came while it was uploaded", async () => {
    const { client, store } = open();
    const slow = (async function* () {
      yield body.subarray(0, 20 << 20);
      client.objects.set("a", Buffer.from("theirs"));
      yield body.subarray(20 << 20);
    })();
    await assert.rejects(store.put("a", slow, { signal }), { code: "object-exists" });
    assert.equal(client.objects.get("a")?.toString(), "theirs");
    assert.equal(client.open.size, 0);
  });

  test("ends soon when it is cancelled and the store does not even answer that", async () => {
    const { client, store } = open();
    const cancel = new AbortController();
    const slow = (async function* () {
      yield body;
      client.script = () => ({ kind: "fall-silent" });
      setTimeout(() => cancel.abort(new Error("enough")), 20);
      await new Promise(() => {});
    })();
    const began = performance.now();
    await assert.rejects(store.put("a", slow, { signal: cancel.signal }), /enough/);
    assert.ok(performance.now() - began < 1000);
  });

  test("fails at once with a part, while its body is still silent", async () => {
    const { store } = open(({ method }) => (method === "part" ? refused(403) : undefined));
    const stuck = (async function* () {
      yield body.subarray(0, 9 << 20);
      await new Promise(() => {});
    })();
    await assert.rejects(store.put("a", stuck, { signal }), { code: "store-denied" });
  });
});

describe("get() over a bad line", () => {
  const bytes = Buffer.from(Array.from({ length: 9_000_000 }, (_, n) => (n * 7) % 251));

  async function readBack(script: Parameters<typeof open>[0]): Promise<Buffer> {
    const { client, store } = open(script);
    client.objects.set("a", bytes);
    const got = Buffer.concat(await Array.fromAsync(store.get("a", { signal })));
    const asked = client.requests.filter(({ method }) => method === "read");
    const total = asked.reduce((sum, { range }) => sum + (range?.length ?? 0), 0);
    assert.ok(total < 4 * bytes.length, `asked for ${total} bytes`);
    return got;
  }

  test("goes on at the next byte, however often it is cut", async () => {
    for (const clean of [false, true]) {
      const cut: Fault = { kind: "cut", after: 900_001, clean };
      const got = await readBack(({ method }) => (method === "read" ? cut : undefined));
      assert.ok(got.equals(bytes));
    }
  });

  test("gives up where hardly anything comes", async () => {
    const cut: Fault = { kind: "cut", after: 1000 };
    const read = readBack(({ method }) => (method === "read" ? cut : undefined));
    await assert.rejects(read, { code: "store-unreachable" });
  });

  test("fetches at most 4 pieces before they are taken", async () => {
    const { client, store } = open();
    client.objects.set("a", Buffer.alloc(40 << 20));
    const pieces = store.get("a", { signal })[Symbol.asyncIterator]();
    await pieces.next();
    for (let n = 0; n < 3; n++) await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(client.requests.filter(({ method }) => method === "read").length, 4);
    await pieces.return?.();
  });

  test("says that an object which became shorter is damaged", async () => {
    const { client, store } = open();
    client.objects.set("a", bytes.subarray(0, 5_000_000));
    for (const offset of [0, 4_000_000, 6_000_000]) {
      const range = { offset, length: 3_000_000 + (offset === 0 ? 3_000_000 : 0) };
      const read = Array.fromAsync(store.get("a", { range, signal }));
      await assert.rejects(read, { code: "repository-damaged" }, `${offset}`);
    }
  });
});
