import assert from "node:assert/strict";
import { rm, writeFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import * as s3 from "@aws-sdk/client-s3";
import { type CephServer, type S3User, startCeph } from "./fixtures/ceph-server.ts";
import { comparePostgres } from "./fixtures/compare-databases.ts";
import { type PostgresServer, startPostgres } from "./fixtures/postgres-server.ts";
import { psql } from "./fixtures/psql.ts";
import { type DbctlScratch, makeDbctlScratch } from "./fixtures/run-dbctl.ts";
import { makeBucket, rawS3, s3Env, s3Url, setPolicy } from "./fixtures/s3-bucket.ts";

const table = `
  create table events as
    select n as id, (select string_agg(md5((n * k)::text), '') from generate_series(1, 6) k) as body
    from generate_series(1, 50000) n`;
const change = "update events set body = md5(body) || body where id > 49900";

/** One story: each test goes on where the one before has ended. */
describe("a host that may only create objects below its own instance", () => {
  let server: PostgresServer;
  let ceph: CephServer;
  let [host, restorer]: S3User[] = [];
  let onHost: DbctlScratch;
  let onRestorer: DbctlScratch;
  let onOperator: DbctlScratch;
  let bucket = "";
  let repo = "";
  let instance = "";
  let raw: s3.S3Client;
  const backups: string[] = [];
  const identity = () => onOperator.identity;
  const disposal = new AsyncDisposableStack();
  after(() => disposal.disposeAsync());

  before(async () => {
    server = disposal.use(await startPostgres(15));
    ceph = disposal.use(await startCeph());
    host = await ceph.createUser("host");
    restorer = await ceph.createUser("restorer");
    const scratchOf = async (user: S3User) =>
      disposal.use(await makeDbctlScratch({ init: false, env: s3Env(user) }));
    [onHost, onRestorer] = [await scratchOf(host), await scratchOf(restorer)];
    onOperator = await scratchOf(ceph.operator);
    bucket = await makeBucket(ceph, "locked");
    repo = s3Url(ceph, bucket);
    raw = rawS3(ceph, host);
    disposal.defer(() => raw.destroy());
    await psql(server, "postgres", "create database source");
    await psql(server, "source", table);
    const id = "select system_identifier from pg_control_system()";
    instance = (await psql(server, "postgres", id)).trim();
  });

  const backUp = async () => {
    const done = await onHost.ok("backup", server.url("source"), "--repo", repo);
    backups.push(done.backup);
    await psql(server, "postgres", `create database at_${backups.length} template source`);
    return done;
  };

  test("gets exactly the rights that dbctl prints for it", async () => {
    await onOperator.ok("repo", "init", repo, "--identity-out", identity());
    const rights = (role: string, user: S3User | undefined, ...more: string[]) =>
      onOperator.ok(
        "repo",
        "rights",
        repo,
        "--role",
        role,
        "--principal",
        user?.arn ?? "",
        ...more,
      );
    const policies = [
      await rights("host", host, "--instance", instance),
      await rights("restorer", restorer),
      // What hosts have uploaded is theirs, in Ceph, until a policy gives it to the bucket's owner.
      await rights("pruner", ceph.operator),
    ];
    const Statement = policies.flatMap((policy) => policy["Statement"]);
    await setPolicy(ceph, bucket, { Version: "2012-10-17", Statement });
  });

  test("is told to pin the repository, and is content with what was shown elsewhere", async () => {
    const without = await onHost.run("backup", server.url("source"), "--repo", repo, "--json");
    assert.equal(without.code, 77, without.stderr);
    assert.match(without.document.error.remedy, /repo pin URL --file/);
    const shown = await onOperator.ok("repo", "show", repo);
    const file = `${onHost.folder}/repository.json`;
    await writeFile(file, JSON.stringify(shown));
    const pinned = await onHost.ok("repo", "pin", repo, "--file", file);
    assert.equal(pinned["repository"], (shown["repository"] as { id: string }).id);
  });

  test("makes backups that store only what has changed", async () => {
    const first = await backUp();
    await psql(server, "source", change);
    const second = await backUp();
    const third = await backUp();
    assert.ok(second.bytes.new > 0 && second.bytes.new < first.bytes.new / 3);
    assert.equal(third.bytes.new, 0);
    assert.equal(third["epoch"], first["epoch"]);
  });

  test("begins a new epoch when it has lost its state", async () => {
    const shown = await onOperator.ok("repo", "show", repo);
    const { id } = shown["repository"] as { id: string };
    await rm(`${onHost.stateDir}/${id}`, { recursive: true });
    await psql(server, "source", change);
    const { bytes } = await backUp();
    assert.equal(bytes.new, bytes.read);
    await psql(server, "source", change);
    assert.ok((await backUp()).bytes.new < bytes.new / 3);
  });

  test("can do nothing else, whatever it asks the store for", async () => {
    const operator = rawS3(ceph, ceph.operator);
    const listed = await operator.send(new s3.ListObjectVersionsCommand({ Bucket: bucket }));
    operator.destroy();
    const versions = (listed.Versions ?? []).map(({ Key = "", VersionId = "" }) => ({
      Bucket: bucket,
      Key,
      VersionId,
    }));
    const [control] = versions.filter(({ Key }) => Key.endsWith("/repository.json"));
    const own = versions.filter(({ Key }) => Key.includes(`/${instance}/`));
    assert.ok(own.length > 5 && control !== undefined);
    for (const version of [control, ...own])
      await Promise.all(
        Object.entries(onObject(raw, version)).map(([what, ask]) =>
          assertDenied(ask(), `${what} ${version.Key}`),
        ),
      );
    for (const [what, ask] of Object.entries(onBucket(raw, bucket)))
      await assertDenied(ask(), what);
    for (const Key of ["backups/repository.json", "backups/~control/recipients/00000001"])
      await assertDenied(
        raw.send(new s3.PutObjectCommand({ Bucket: bucket, Key, Body: "x" })),
        Key,
      );
    for (const Key of ["backups/other/packs/x", `backups/${instance}`, "x"])
      await assertDenied(
        raw.send(new s3.PutObjectCommand({ Bucket: bucket, Key, Body: "x" })),
        Key,
      );
  });

  test("may begin an upload in parts, and can neither look at it nor forget it", async () => {
    const at = { Bucket: bucket, Key: `backups/${instance}/packs/x` };
    const { UploadId } = await raw.send(new s3.CreateMultipartUploadCommand(at));
    await assertDenied(raw.send(new s3.ListPartsCommand({ ...at, UploadId })), "list parts");
    await assertDenied(raw.send(new s3.AbortMultipartUploadCommand({ ...at, UploadId })), "abort");
    const all = new s3.ListMultipartUploadsCommand({ Bucket: bucket });
    await assertDenied(raw.send(all), "list uploads");
  });

  test("can put something on top of objects, and nobody reads that", async () => {
    const operator = rawS3(ceph, ceph.operator);
    const listed = await operator.send(new s3.ListObjectsV2Command({ Bucket: bucket }));
    operator.destroy();
    const own = (listed.Contents ?? []).filter(({ Key }) => Key?.includes(`/${instance}/`));
    for (const { Key } of own)
      await raw.send(new s3.PutObjectCommand({ Bucket: bucket, Key, Body: "evil" }));
    assert.ok(own.some(({ Key }) => Key?.endsWith("/manifest")));
    const { backups: all } = await onRestorer.ok("backups", "ls", "--repo", repo);
    assert.deepEqual(
      (all as { backup: string }[]).map(({ backup }) => backup),
      backups,
    );
    const { findings } = await onRestorer.ok("repo", "check", repo, "--identity", identity());
    const over = (findings as { object: string; what: string }[]).filter(({ what }) =>
      what.startsWith("later versions on top of it: 1"),
    );
    assert.deepEqual(
      over.map(({ object }) => `backups/${object}`).toSorted(),
      own.map(({ Key = "" }) => Key).toSorted(),
    );
  });

  test("has made backups that restore exactly, for who holds the identity", async () => {
    for (const [n, backup] of backups.entries()) {
      const to = server.url(`back_${n + 1}`);
      const with_ = ["--repo", repo, "--identity", identity(), "--create"];
      await onRestorer.ok("restore", backup, "--to", to, ...with_);
      const [was, is] = [`at_${n + 1}`, `back_${n + 1}`].map((database) => ({ server, database }));
      assert.ok(was !== undefined && is !== undefined);
      assert.deepEqual(await comparePostgres(was, is), []);
    }
    assert.equal(backups.length, 5);
  });

  test("does not seal to recipients that somebody has added without its owner's word", async () => {
    // A host that may read sees them, and refuses; this one goes by its pin.
    const reading = await onOperator.run("backup", server.url("source"), "--repo", repo, "--json");
    assert.equal(reading.code, 0, reading.stderr);
    const other = ["--identity-out", `${onRestorer.folder}/thief.txt`];
    const thief = disposal.use(await makeDbctlScratch({ init: false, env: s3Env(ceph.operator) }));
    await thief.ok("repo", "keys", "add", repo, ...other);
    const refused = await onOperator.run("backup", server.url("source"), "--repo", repo, "--json");
    assert.equal(refused.code, 77);
    assert.equal(refused.document.error.code, "identity-wrong");
    await onHost.ok("backup", server.url("source"), "--repo", repo, "--fresh-epoch");
    const opened = ["latest", "--repo", repo, "--identity"];
    const wrong = await thief.run("verify", ...opened, `${onRestorer.folder}/thief.txt`);
    assert.equal(wrong.code, 77, wrong.stderr);
    await onOperator.ok("verify", ...opened, identity());
    await onOperator.ok("repo", "pin", repo);
    await onOperator.ok("backup", server.url("source"), "--repo", repo);
  });
});

async function assertDenied(asked: Promise<unknown>, what: string): Promise<void> {
  const status = await asked.then(
    () => 200,
    (error: { $metadata?: { httpStatusCode?: number } }) => error.$metadata?.httpStatusCode,
  );
  assert.equal(status, 403, what);
}

function onObject(
  raw: s3.S3Client,
  version: { Bucket: string; Key: string; VersionId: string },
): Record<string, () => Promise<unknown>> {
  const { Bucket, Key } = version;
  const at = { Bucket, Key };
  const until = new Date(Date.now() + 60_000);
  const Retention = { Mode: "COMPLIANCE" as const, RetainUntilDate: until };
  const CopySource = `${Bucket}/${Key}`;
  return {
    get: () => raw.send(new s3.GetObjectCommand(at)),
    "get a version of": () => raw.send(new s3.GetObjectCommand(version)),
    head: () => raw.send(new s3.HeadObjectCommand(at)),
    "head a version of": () => raw.send(new s3.HeadObjectCommand(version)),
    delete: () => raw.send(new s3.DeleteObjectCommand(at)),
    "delete a version of": () => raw.send(new s3.DeleteObjectCommand(version)),
    "read the rights of": () => raw.send(new s3.GetObjectAclCommand(at)),
    "open to all": () => raw.send(new s3.PutObjectAclCommand({ ...at, ACL: "public-read" })),
    tag: () => raw.send(new s3.PutObjectTaggingCommand({ ...at, Tagging: { TagSet: [] } })),
    lock: () => raw.send(new s3.PutObjectRetentionCommand({ ...version, Retention })),
    hold: () =>
      raw.send(new s3.PutObjectLegalHoldCommand({ ...version, LegalHold: { Status: "ON" } })),
    copy: () => raw.send(new s3.CopyObjectCommand({ Bucket, Key: `${Key}-copy`, CopySource })),
  };
}

function onBucket(raw: s3.S3Client, Bucket: string): Record<string, () => Promise<unknown>> {
  const at = { Bucket };
  const VersioningConfiguration = { Status: "Suspended" as const };
  const Rules = [{ ID: "x", Status: "Enabled" as const, Prefix: "", Expiration: { Days: 1 } }];
  return {
    list: () => raw.send(new s3.ListObjectsV2Command(at)),
    "list versions": () => raw.send(new s3.ListObjectVersionsCommand(at)),
    "read the policy": () => raw.send(new s3.GetBucketPolicyCommand(at)),
    "change the policy": () => raw.send(new s3.PutBucketPolicyCommand({ Bucket, Policy: "{}" })),
    "remove the policy": () => raw.send(new s3.DeleteBucketPolicyCommand(at)),
    "read versioning": () => raw.send(new s3.GetBucketVersioningCommand(at)),
    "end versioning": () =>
      raw.send(new s3.PutBucketVersioningCommand({ Bucket, VersioningConfiguration })),
    "read the lock": () => raw.send(new s3.GetObjectLockConfigurationCommand(at)),
    "let objects expire": () =>
      raw.send(
        new s3.PutBucketLifecycleConfigurationCommand({
          Bucket,
          LifecycleConfiguration: { Rules },
        }),
      ),
    "open the bucket": () => raw.send(new s3.PutBucketAclCommand({ Bucket, ACL: "public-read" })),
    "remove the bucket": () => raw.send(new s3.DeleteBucketCommand(at)),
  };
}
