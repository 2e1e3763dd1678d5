import assert from "node:assert/strict";
import { once } from "node:events";
import { chmod, writeFile } from "node:fs/promises";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { after, before, test } from "node:test";
import {
  DeleteObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  PutObjectCommand,
  type S3Client,
} from "@aws-sdk/client-s3";
import { type CephServer, startCeph } from "../../../integration/fixtures/ceph-server.ts";
import { startCuttableLink } from "../../../integration/fixtures/cuttable-link.ts";
import { makeScratchFolder } from "../../../integration/fixtures/scratch-folder.ts";
import {
  type BucketKind,
  makeBucket,
  openAs,
  rawS3,
  s3Url,
  setPolicy,
} from "../../../integration/fixtures/s3-bucket.ts";
import type { ObjectStore } from "../object-store.ts";
import { openS3Store } from "./s3-store.ts";

const { signal } = new AbortController();

let ceph: CephServer;
let raw: S3Client;
before(async () => {
  ceph = await startCeph();
  raw = rawS3(ceph, ceph.operator);
});
after(async () => {
  raw.destroy();
  await ceph[Symbol.asyncDispose]();
});

async function openBucket(kind: BucketKind, more = "") {
  const Bucket = await makeBucket(ceph, kind);
  const store = await openAs(ceph.operator, s3Url(ceph, Bucket, more));
  const overwrite = (key: string, Body: string) =>
    raw.send(new PutObjectCommand({ Bucket, Key: `backups/${key}`, Body }));
  const hide = (key: string) =>
    raw.send(new DeleteObjectCommand({ Bucket, Key: `backups/${key}` }));
  const countVersions = async () => {
    const { Versions, DeleteMarkers } = await raw.send(new ListObjectVersionsCommand({ Bucket }));
    return (Versions?.length ?? 0) + (DeleteMarkers?.length ?? 0);
  };
  return { Bucket, store, overwrite, hide, countVersions };
}

async function textOf(store: ObjectStore, key: string): Promise<string> {
  return Buffer.concat(await Array.fromAsync(store.get(key, { signal }))).toString();
}

for (const kind of ["versioned", "locked"] as const) {
  test(`what is put over an object of a ${kind} bucket is told, and not read`, async () => {
    const { store, overwrite, countVersions } = await openBucket(kind);
    assert.equal(await store.keepsVersions?.({ signal }), true);
    await store.put("a/b", [Buffer.from("first")], { signal });
    await store.put("a/c", [Buffer.from("other")], { signal });
    for (const text of ["evil", "and again"]) await overwrite("a/b", text);
    assert.equal(await textOf(store, "a/b"), "first");
    assert.equal((await store.head("a/b", { signal }))?.size, 5);
    const listed = await Array.fromAsync(store.list("a/", { signal }), ({ key, size }) => [
      key,
      size,
    ]);
    assert.deepEqual(listed, [
      ["a/b", 5],
      ["a/c", 5],
    ]);
    const over = await Array.fromAsync(store.overwritten?.("", { signal }) ?? []);
    assert.deepEqual(over, [{ key: "a/b", later: 2 }]);
    await store.delete("a/b", { signal });
    assert.equal(await countVersions(), 1);
  });
}

test("a delete marker hides nothing, and a removal takes it away", async () => {
  const { store, hide, countVersions } = await openBucket("versioned");
  await store.put("a", [Buffer.from("first")], { signal });
  await hide("a");
  assert.equal(await textOf(store, "a"), "first");
  await assert.rejects(store.put("a", [Buffer.from("x")], { signal }), { code: "object-exists" });
  assert.deepEqual(await Array.fromAsync(store.overwritten?.("", { signal }) ?? []), [
    { key: "a", later: 1 },
  ]);
  await store.delete("a", { signal });
  assert.equal(await countVersions(), 0);
  await hide("a");
  assert.equal(await store.head("a", { signal }), undefined);
  assert.deepEqual(await Array.fromAsync(store.list("", { signal })), []);
});

test("the first of more than a thousand versions is found", async () => {
  const { store, overwrite, countVersions } = await openBucket("versioned");
  await store.put("a", [Buffer.from("first")], { signal });
  await store.put("b", [Buffer.from("other")], { signal });
  for (let n = 0; n < 1050; n += 50)
    await Promise.all(Array.from({ length: 50 }, () => overwrite("a", "evil")));
  assert.equal(await textOf(store, "a"), "first");
  const sizes = await Array.fromAsync(store.list("", { signal }), ({ key, size }) => [key, size]);
  assert.deepEqual(sizes, [
    ["a", 5],
    ["b", 5],
  ]);
  assert.deepEqual(await Array.fromAsync(store.overwritten?.("", { signal }) ?? []), [
    { key: "a", later: 1050 },
  ]);
  await store.delete("a", { signal });
  assert.equal(await countVersions(), 1);
});

for (const more of ["", "&conditional-put=false"])
  test(`racing puts leave one version ${more}`, async () => {
    const { store, countVersions } = await openBucket("versioned", more);
    const race = ["one", "two", "three"].map((text) =>
      store.put("a", [Buffer.from(text)], { signal }),
    );
    const ends = await Promise.allSettled(race);
    assert.equal(ends.filter(({ status }) => status === "fulfilled").length, 1);
    for (const end of ends)
      if (end.status === "rejected") assert.equal(end.reason.code, "object-exists");
    assert.equal(await countVersions(), 1);
  });

test("without conditions a bucket has to keep versions", async () => {
  const { store } = await openBucket("plain", "&conditional-put=false");
  const put = store.put("a", [Buffer.from("x")], { signal });
  await assert.rejects(put, { code: "cannot-create", remedy: /versioning/ });
});

test("retain() in governance keeps an object longer, never shorter", async () => {
  const { store, overwrite } = await openBucket("locked");
  await store.put("a", [Buffer.from("first")], { signal });
  await overwrite("a", "evil");
  const until = new Date(Math.ceil(Date.now() / 1000) * 1000 + 60_000);
  const mode = "governance" as const;
  await store.locks?.retain("a", { mode, until }, { signal });
  assert.deepEqual(await store.locks?.get("a", { signal }), {
    retain: { mode, until },
    legalHold: false,
  });
  const locked = { code: "object-locked", message: new RegExp(until.toISOString()) };
  await assert.rejects(store.delete("a", { signal }), locked);
  assert.equal(await textOf(store, "a"), "first");
  const shorter = store.locks?.retain("a", { mode, until: new Date(+until - 30_000) }, { signal });
  await assert.rejects(shorter ?? Promise.resolve(), locked);
  await store.locks?.retain("a", { mode, until: new Date(+until + 30_000) }, { signal });
});

test("minio:// is the same store by its server's address", async () => {
  const { Bucket, store } = await openBucket("plain");
  await store.put("a", [Buffer.from("first")], { signal });
  const { host } = new URL(ceph.endpoint);
  const same = await openAs(ceph.operator, `minio://${host}/${Bucket}/backups?tls=false`);
  assert.equal(await textOf(same, "a"), "first");
  assert.equal(await same.keepsVersions?.({ signal }), false);
});

test("a storage class is for what is most of the bytes", async () => {
  const { Bucket, store } = await openBucket("plain", "&storage-class=STANDARD_IA");
  await store.put("small", [Buffer.from("x")], { signal });
  await store.put("bulk", [Buffer.from("x")], { bulk: true, signal });
  await store.put("large", [Buffer.alloc(25 << 20)], { bulk: true, signal });
  const { Contents = [] } = await raw.send(new ListObjectsV2Command({ Bucket }));
  assert.deepEqual(
    Contents.map(({ Key, StorageClass }) => [Key, StorageClass]),
    [
      ["backups/bulk", "STANDARD_IA"],
      ["backups/large", "STANDARD_IA"],
      ["backups/small", "STANDARD"],
    ],
  );
});

test("an upload in parts that fails leaves no parts", async () => {
  const { Bucket, store } = await openBucket("plain");
  const body = (async function* () {
    for (let n = 0; n < 40; n++) yield Buffer.alloc(1 << 20);
    throw new Error("disk on fire");
  })();
  await assert.rejects(store.put("a", body, { signal }), /disk on fire/);
  const { Uploads = [] } = await raw.send(new ListMultipartUploadsCommand({ Bucket }));
  assert.deepEqual(Uploads, []);
});

test("bytes that change on their way are not stored", async () => {
  const { Bucket } = await openBucket("plain");
  await using proxy = await startSpoilingProxy(new URL(ceph.endpoint));
  const store = await openAs(ceph.operator, s3Url({ endpoint: proxy.url }, Bucket));
  const put = store.put("a", [Buffer.from("good ".repeat(1000))], { signal });
  await assert.rejects(put, { code: "store-io", message: /BadDigest|XAmzContentSHA256Mismatch/ });
  assert.ok(proxy.spoilt() >= 3, `${proxy.spoilt()} tries`);
  assert.equal(await store.head("a", { signal }), undefined);
});

test("wrong keys are denied, and it is said where they come from", async () => {
  const { Bucket } = await openBucket("plain");
  const wrong = { ...ceph.operator, secretAccessKey: "0".repeat(40) };
  const store = await openAs(wrong, s3Url(ceph, Bucket));
  assert.equal(store.can.objectLock, false);
  await assert.rejects(store.put("a", [], { signal }), {
    code: "store-denied",
    message: /SignatureDoesNotMatch \(credentials from AWS_ACCESS_KEY_ID/,
    retryable: false,
  });
});

test("the secret key may be in a file that only its owner reads", async () => {
  const { Bucket } = await openBucket("plain");
  await using folder = await makeScratchFolder("key-file");
  const { accessKeyId, secretAccessKey } = ceph.operator;
  const path = `${folder.path}/secret`;
  await writeFile(path, `${secretAccessKey}\n`, { mode: 0o600 });
  const env = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY_FILE: path };
  const store = await openS3Store(s3Url(ceph, Bucket), { env, signal });
  await store.put("a", [Buffer.from("1")], { signal });
  await chmod(path, 0o644);
  const exposed = openS3Store(s3Url(ceph, Bucket), { env, signal });
  await assert.rejects(exposed, { code: "secret-exposed" });
});

test("no keys at all are denied soon", async () => {
  const { Bucket } = await openBucket("plain");
  await using folder = await makeScratchFolder("no-keys");
  const home = process.env["HOME"];
  process.env["HOME"] = folder.path;
  try {
    const began = performance.now();
    const store = await openS3Store(s3Url(ceph, Bucket), { env: {}, signal });
    await assert.rejects(store.put("a", [], { signal }), {
      code: "store-denied",
      remedy: /AWS_ACCESS_KEY_ID/,
    });
    assert.ok(performance.now() - began < 15_000);
  } finally {
    process.env["HOME"] = home;
  }
});

test("a bucket that is not there is an unknown repository", async () => {
  const open = openAs(ceph.operator, s3Url(ceph, "no-such-bucket"));
  await assert.rejects(open, { code: "repository-unknown", message: /NoSuchBucket/ });
});

test("who may only create can put, and claims nothing else", async () => {
  const { Bucket } = await openBucket("locked");
  const user = await ceph.createUser("creator");
  const Statement = [
    {
      Effect: "Allow",
      Principal: { AWS: [user.arn] },
      Action: ["s3:PutObject"],
      Resource: [`arn:aws:s3:::${Bucket}/backups/x/*`],
    },
  ];
  await setPolicy(ceph, Bucket, { Version: "2012-10-17", Statement });
  const store = await openAs(user, s3Url(ceph, Bucket));
  assert.deepEqual([store.can.objectLock, store.locks], [false, undefined]);
  assert.equal(await store.keepsVersions?.({ signal }), undefined);
  await store.put("x/a", [Buffer.from("1")], { signal });
  await store.put("x/large", [Buffer.alloc(25 << 20)], { signal });
  const denied = { code: "store-denied", retryable: false };
  await assert.rejects(store.put("y/a", [], { signal }), denied);
  await assert.rejects(Array.fromAsync(store.list("", { signal })), denied);
  await assert.rejects(store.delete("x/a", { signal }), denied);
});

test("an abort ends every method at once while the server is silent", async () => {
  const Bucket = await makeBucket(ceph, "versioned");
  await using link = await startCuttableLink();
  link.leadTo(new URL(ceph.endpoint).host);
  const url = s3Url({ endpoint: `http://${link.address}` }, Bucket);
  const store = await openAs(ceph.operator, url);
  await store.put("a", [Buffer.from("first")], { signal });
  link.cut();
  const calls: [name: string, call: (options: { signal: AbortSignal }) => Promise<unknown>][] = [
    ["put", (options) => store.put("b", [Buffer.alloc(2_000_000)], options)],
    ["get", (options) => Array.fromAsync(store.get("a", options))],
    ["head", (options) => store.head("a", options)],
    ["list", (options) => Array.fromAsync(store.list("", options))],
    ["delete", (options) => store.delete("a", options)],
    ["overwritten", (options) => Array.fromAsync(store.overwritten?.("", options) ?? [])],
    ["open", (options) => openAs(ceph.operator, url, options)],
  ];
  for (const [name, call] of calls) {
    const controller = new AbortController();
    const began = performance.now();
    setTimeout(() => controller.abort(new Error("enough")), 50);
    await assert.rejects(call({ signal: controller.signal }), /enough/, name);
    assert.ok(performance.now() - began < 1000, name);
  }
});

// The last one: a gateway that was started again waits long for the one that is gone.
test("a server that is gone is unreachable within the preset's time, and can come back", async () => {
  const { store } = await openBucket("plain");
  await store.put("a", [Buffer.from("first")], { signal });
  await ceph.stop();
  try {
    const began = performance.now();
    await assert.rejects(textOf(store, "a"), { code: "store-unreachable", retryable: true });
    assert.ok(performance.now() - began < 30_000);
  } finally {
    await ceph.start();
  }
  assert.equal(await textOf(store, "a"), "first");
});

/** Changes one byte of what goes up and says `good`. */
async function startSpoilingProxy({ hostname: host, port }: URL) {
  let spoilt = 0;
  const open = new Set<Socket>();
  const server: Server = createServer((near) => {
    const far = connect({ host, port: Number(port) });
    near.on("data", (bytes: Buffer) => {
      const at = bytes.indexOf("good good");
      if (at !== -1) {
        bytes.write("b", at);
        spoilt++;
      }
      far.write(bytes);
    });
    far.pipe(near);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(one);
      one.on("error", () => {});
      one.on("close", () => other.destroy());
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port: own } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${own}`,
    spoilt: () => spoilt,
    async [Symbol.asyncDispose]() {
      server.close();
      for (const socket of open) socket.destroy();
      await once(server, "close");
    },
  };
}
