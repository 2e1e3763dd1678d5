import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { startAwsKmsStandIn } from "./fixtures/key-service-stand-ins.ts";
import { psql } from "./fixtures/psql.ts";
import { startPostgres } from "./fixtures/postgres-server.ts";
import { makeDbctlScratch } from "./fixtures/run-dbctl.ts";

test("an identity, a passphrase and a key service each restore, until they are rotated out", async () => {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await startPostgres(15));
  const kms = stack.use(await startAwsKmsStandIn("AKIAHERE"));
  const credentials = { AWS_ACCESS_KEY_ID: "AKIAHERE", AWS_SECRET_ACCESS_KEY: "x" };
  const before = Object.keys(credentials).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, credentials);
  stack.defer(() => {
    for (const [name, value] of before)
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
  });
  const dbctl = stack.use(await makeDbctlScratch({ init: false }));
  await psql(server, "postgres", "create database shop");
  await psql(server, "shop", "create table t as select n from generate_series(1, 1000) n");

  const passphrase = join(dbctl.folder, "passphrase.txt");
  await writeFile(passphrase, "correct horse battery staple\n", { mode: 0o600 });
  const key = `awskms:///alias/backups?region=eu-central-1&endpoint=${kms.address}`;
  const keyed = await dbctl.ok("repo", "init", dbctl.repo, "--kms", key);
  assert.equal((keyed["recipients"] as object[]).length, 1);
  const { backup } = await dbctl.ok("backup", server.url("shop"), "--repo", dbctl.repo);

  let databases = 0;
  const restore = async (...keys: string[]) => {
    const to = server.url(`restored${databases++}`);
    return await dbctl.run(
      "restore",
      backup,
      "--repo",
      dbctl.repo,
      "--to",
      to,
      "--create",
      ...keys,
    );
  };
  assert.equal((await restore()).code, 0, "the key service opens it by itself");

  await dbctl.ok("repo", "keys", "add", dbctl.repo, "--new-passphrase-file", passphrase);
  const early = await restore("--passphrase-file", passphrase);
  assert.equal(early.code, 77, "a new recipient opens nothing from before");
  await dbctl.ok("repo", "keys", "add", dbctl.repo, "--identity-out", dbctl.identity);
  const { recipients } = await dbctl.ok("repo", "keys", "ls", dbctl.repo);
  const kmsRecipient = (recipients as { identity: string; recipient: string }[]).find(
    ({ identity }) => identity === key,
  );

  // Only the key service opens what is there; only the passphrase is one of now.
  const alone = await dbctl.run("repo", "keys", "rotate", dbctl.repo);
  assert.equal(alone.code, 0, alone.stderr);
  assert.equal((await restore("--passphrase-file", passphrase)).code, 0);
  assert.equal((await restore("--identity", dbctl.identity)).code, 0);
  await dbctl.ok("repo", "keys", "remove", dbctl.repo, kmsRecipient?.recipient ?? "");
  await dbctl.ok("repo", "keys", "rotate", dbctl.repo, "--identity", dbctl.identity);
  const checked = await dbctl.ok("repo", "keys", "check", dbctl.repo, "--identity", dbctl.identity);
  const [epoch] = checked["epochs"] as { verdict: string; list: number }[];
  assert.deepEqual([epoch?.verdict, epoch?.list], ["opens", 3]);
  assert.equal((await restore()).code, 2, "nobody is asked any more");
});
