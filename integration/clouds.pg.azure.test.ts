import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { startAzurite } from "./fixtures/azurite.ts";
import { comparePostgres } from "./fixtures/compare-databases.ts";
import { startGcsFake } from "./fixtures/gcs-fake.ts";
import {
  type PostgresDatabase,
  type PostgresServer,
  startPostgres,
} from "./fixtures/postgres-server.ts";
import { createPostgresShop } from "./fixtures/postgres-shop.ts";
import { psql } from "./fixtures/psql.ts";
import { makeDbctlScratch } from "./fixtures/run-dbctl.ts";
import { makeScratchFolder } from "./fixtures/scratch-folder.ts";

let server: PostgresServer;
let source: PostgresDatabase;

before(async () => {
  server = await startPostgres(15);
  await psql(server, "postgres", "create database shop");
  source = { server, database: "shop" };
  await createPostgresShop(source, { megabytes: 10 });
});
after(() => server[Symbol.asyncDispose]());

/** Backs up twice, verifies, restores and compares; the first backup is capped. */
async function goRound(repo: string, env: Record<string, string>): Promise<void> {
  await using dbctl = await makeDbctlScratch({ init: false, env });
  await dbctl.ok("repo", "init", repo, "--identity-out", dbctl.identity);
  const backup = (...more: string[]) =>
    dbctl.ok("backup", server.url("shop"), "--repo", repo, ...more);
  const began = performance.now();
  const first = await backup("--upload-limit", "1MB/s", "--jobs", "2");
  const seconds = (performance.now() - began) / 1000;
  const least = first.bytes.stored / 1e6 - 0.25;
  assert.ok(least > 2 && seconds > least, `${seconds} s for ${first.bytes.stored} bytes`);
  const second = await backup();
  assert.ok(second.bytes.new < first.bytes.new / 10, JSON.stringify(second.bytes));
  const key = ["--repo", repo, "--identity", dbctl.identity];
  await dbctl.ok("verify", "latest", ...key, "--download-limit", "1GB/s");
  await psql(server, "postgres", "drop database if exists copy");
  await dbctl.ok("restore", "latest", ...key, "--to", server.url("copy"), "--create");
  assert.deepEqual(await comparePostgres(source, { server, database: "copy" }), []);
}

test("a database comes back from Azure Blob Storage", async () => {
  await using azurite = await startAzurite();
  const repo = azurite.urlOf(await azurite.makeContainer());
  await goRound(repo, { AZURE_STORAGE_KEY: azurite.key });
});

test("a database comes back from Google Cloud Storage", async () => {
  await using gcs = await startGcsFake();
  await using folder = await makeScratchFolder("gcs");
  const [key, subject] = [`${folder.path}/key.json`, `${folder.path}/subject`];
  await writeFile(key, gcs.keyFile(subject));
  await writeFile(subject, "a host of ours");
  const repo = `gs://${gcs.makeBucket()}/prod?endpoint=${gcs.endpoint}`;
  await goRound(repo, { GOOGLE_APPLICATION_CREDENTIALS: key });
});
