import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { startCuttableLink } from "../../../integration/fixtures/cuttable-link.ts";
import { findFreePort } from "../../../integration/fixtures/free-port.ts";
import { type GcsFake, startGcsFake } from "../../../integration/fixtures/gcs-fake.ts";
import {
  makeScratchFolder,
  type ScratchFolder,
} from "../../../integration/fixtures/scratch-folder.ts";
import { describeObjectStore } from "../object-store-contract.ts";
import { openGcsStore } from "./gcs-store.ts";

const { signal } = new AbortController();
let fake: GcsFake;
let folder: ScratchFolder;
/** The library reads its variable by itself. */
const { env } = process;

before(async () => {
  fake = await startGcsFake();
  folder = await makeScratchFolder("gcs");
  env["GOOGLE_APPLICATION_CREDENTIALS"] = `${folder.path}/key.json`;
  await writeFile(`${folder.path}/key.json`, fake.keyFile(`${folder.path}/subject`));
  await writeFile(`${folder.path}/subject`, "a host of ours");
});
after(async () => {
  delete env["GOOGLE_APPLICATION_CREDENTIALS"];
  await fake[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

const urlOf = (bucket: string, more = "") =>
  `gs://${bucket}/some/prefix?endpoint=${fake.endpoint}${more}`;

for (const options of [{}, { versioning: true, objectRetention: true }])
  describeObjectStore(`gcs store in a bucket with ${JSON.stringify(options)}`, async () => {
    const link = await startCuttableLink();
    link.leadTo(new URL(fake.endpoint).host);
    const bucket = fake.makeBucket(options);
    const url = `gs://${bucket}/some/prefix?endpoint=http://${link.address}`;
    const store = await openGcsStore(url, { env, signal });
    return {
      store,
      silence: () => link.cut(),
      [Symbol.asyncDispose]: () => link[Symbol.asyncDispose](),
    };
  });

describe("openGcsStore()", () => {
  test("names the file of credentials that are refused, or are none", async () => {
    const bucket = fake.makeBucket();
    const denied = { code: "store-denied", remedy: /GOOGLE_APPLICATION_CREDENTIALS/ };
    await writeFile(`${folder.path}/subject`, "a stranger");
    await assert.rejects(openGcsStore(urlOf(bucket), { env, signal }), denied);
    await writeFile(`${folder.path}/subject`, "a host of ours");
    const store = await openGcsStore(urlOf(bucket), { env, signal });
    fake.script = ({ method }) => (method === "POST" ? 403 : undefined);
    await assert.rejects(store.put("a", [], { signal }), denied);
    fake.script = () => undefined;
    const right = env["GOOGLE_APPLICATION_CREDENTIALS"];
    env["GOOGLE_APPLICATION_CREDENTIALS"] = `${folder.path}/none.json`;
    await assert.rejects(openGcsStore(urlOf(bucket), { env, signal }), denied);
    env["GOOGLE_APPLICATION_CREDENTIALS"] = right;
  });

  test("says that there is no such bucket", async () => {
    const unknown = { code: "repository-unknown" };
    await assert.rejects(openGcsStore(urlOf("none"), { env, signal }), unknown);
    // A host that may not look at the bucket learns it when it writes.
    fake.script = ({ method }) => (method === "GET" ? 403 : undefined);
    const store = await openGcsStore(urlOf("none"), { env, signal });
    await assert.rejects(store.put("a", [], { signal }), unknown);
    fake.script = () => undefined;
  });

  test("gives up soon when the server is gone", async () => {
    const token = env["GOOGLE_APPLICATION_CREDENTIALS"];
    delete env["GOOGLE_APPLICATION_CREDENTIALS"];
    const url = `gs://bucket?endpoint=http://127.0.0.1:${await findFreePort()}&retries=quick`;
    const began = performance.now();
    const opened = openGcsStore(url, { env, signal });
    await assert.rejects(opened, { code: "store-unreachable" });
    assert.ok(performance.now() - began < 30_000);
    env["GOOGLE_APPLICATION_CREDENTIALS"] = token;
  });

  test("puts packs, and only them, into the storage class of the URL", async () => {
    const bucket = fake.makeBucket();
    const store = await openGcsStore(urlOf(bucket, "&storage-class=NEARLINE"), { env, signal });
    await store.put("pack", [Buffer.from("x")], { bulk: true, signal });
    await store.put("manifest", [Buffer.from("x")], { signal });
    const large = Buffer.alloc(store.can.createOnlyBytes + 1);
    await store.put("large", [large], { bulk: true, signal });
    const { live } = fake.buckets.get(bucket) ?? assert.fail();
    const classOf = (key: string) => live.get(`some/prefix/${key}`)?.storageClass;
    const classes = ["pack", "manifest", "large"].map(classOf);
    assert.deepEqual(classes, ["NEARLINE", "STANDARD", "NEARLINE"]);
  });

  test("claims no retention where the bucket has none", async () => {
    const store = await openGcsStore(urlOf(fake.makeBucket()), { env, signal });
    assert.deepEqual([store.can.objectLock, store.can.legalHold], [false, true]);
  });

  test("removes an object with its versions, and no other object's", async () => {
    const bucket = fake.makeBucket({ versioning: true });
    const store = await openGcsStore(urlOf(bucket), { env, signal });
    const { live, noncurrent } = fake.buckets.get(bucket) ?? assert.fail();
    for (const key of ["a", "ab", "b"]) await store.put(key, [], { signal });
    const replaced = fake.buckets.get(bucket);
    for (const name of ["some/prefix/a", "some/prefix/ab"])
      replaced?.create({ name, storageClass: "STANDARD", bytes: Buffer.from("later") }, undefined);
    await store.delete("a", { signal });
    assert.deepEqual(
      noncurrent.map(({ name }) => name),
      ["some/prefix/ab"],
    );
    await store.delete("b", { signal });
    assert.deepEqual([...live.keys()], ["some/prefix/ab"]);
    assert.equal(noncurrent.length, 1);
  });

  test("goes on with an upload whose answers get lost, and does not send it twice", async () => {
    const bucket = fake.makeBucket();
    const store = await openGcsStore(urlOf(bucket), { env, signal });
    const bytes = Buffer.alloc(store.can.createOnlyBytes + 12_345_678, "resumed");
    let puts = 0;
    fake.script = ({ method }) =>
      method === "PUT" && [0, 2, 3, 8].includes(puts++) ? "lose-answer" : undefined;
    await store.put("large", [bytes], { signal });
    fake.script = () => undefined;
    assert.ok(puts > 9, `${puts}`);
    const { live } = fake.buckets.get(bucket) ?? assert.fail();
    assert.ok(live.get("some/prefix/large")?.bytes.equals(bytes));
  });

  test("takes back what is not what was sent", async () => {
    const bucket = fake.makeBucket();
    const store = await openGcsStore(urlOf(bucket), { env, signal });
    const { live, sessions } = fake.buckets.get(bucket) ?? assert.fail();
    const body = (async function* () {
      yield Buffer.alloc(store.can.createOnlyBytes + (9 << 20));
      for (const { bytes } of sessions.values()) bytes[0]?.writeUInt8(1, 5);
    })();
    const damaged = { code: "store-io", message: /other bytes arrived/ };
    await assert.rejects(store.put("large", body, { signal }), damaged);
    assert.equal(live.size, 0);
  });
});
