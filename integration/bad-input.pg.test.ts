import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmod, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { exitCodes } from "../core/errors.ts";
import { psql } from "./fixtures/psql.ts";
import { type PostgresServer, startPostgres } from "./fixtures/postgres-server.ts";
import { type DbctlScratch, finish, makeDbctlScratch } from "./fixtures/run-dbctl.ts";

const execute = promisify(execFile);
const resources = new AsyncDisposableStack();
let server: PostgresServer;
let dbctl: DbctlScratch;

before(async () => {
  server = resources.use(await startPostgres(15));
  dbctl = resources.use(await makeDbctlScratch());
  await psql(server, "postgres", "create database source");
  await psql(
    server,
    "source",
    "create table t as select n, md5(n::text) from generate_series(1, 50000) n",
  );
  await psql(server, "postgres", "create role guarded login password 'secret'");
  await psql(server, "postgres", "create database taken");
  await psql(server, "taken", "create table already_here (n int)");
  await dbctl.ok("backup", server.url("source"), "--repo", dbctl.repo);
});
after(() => resources.disposeAsync());

/** Expects one sentence, a remedy and an exit code; gives the sentence. */
async function refused(code: number, args: string[]): Promise<string> {
  const { code: found, stdout, stderr } = await dbctl.run(...args, "--json");
  assert.equal(found, code, `${args.join(" ")}: exit ${found}\n${stderr}`);
  const { error } = JSON.parse(stdout) as { error: { message: string; remedy: string } };
  assert.match(error.message, /^Cannot /);
  assert.doesNotMatch(error.message, /\n|\.$/);
  assert.ok(error.remedy.length > 10, "no remedy");
  assert.match(stderr, /^dbctl: Cannot .+\n {2}→ .+\n$/);
  return error.message;
}

const backup = (url: string, repo = dbctl.repo) => ["backup", url, "--repo", repo];
const restore = (to: string, ...more: string[]) => {
  const from = ["restore", "latest", "--repo", dbctl.repo, "--to", to];
  return [...from, ...(more.includes("--identity") ? [] : ["--identity", dbctl.identity]), ...more];
};

test("an unknown database is refused by its name", async () => {
  assert.match(await refused(66, backup(server.url("nowhere"))), /nowhere/);
});

test("an unknown host, and one that does not listen, are told apart", async () => {
  await refused(68, backup("postgres://postgres@no-such-host.invalid/source"));
  await refused(69, backup("postgres://postgres@127.0.0.1:1/source?sslmode=disable"));
});

test("a wrong password is refused, and a password in a URL is never taken", async () => {
  const url = `postgres://postgres:hunter2@127.0.0.1:${server.port}/source`;
  assert.doesNotMatch(await refused(77, backup(url)), /hunter2/);
});

test("an unknown scheme, an unknown option and nonsense numbers are usage errors", async () => {
  await refused(2, backup("oracle://x/y"));
  await refused(2, backup(server.url("source"), "ftp://somewhere"));
  assert.match(await refused(2, ["backup", server.url("source")]), /--repo/);
  assert.match(await refused(2, [...backup(server.url("source")), "--jobs", "0"]), /1 to 64/);
  assert.match(await refused(2, [...backup(server.url("source")), "--fast"]), /--fast/);
  assert.match(await refused(2, ["bakup"]), /Did you mean backup/);
  assert.equal((await dbctl.run("repo")).code, 2);
});

test("a target that exists or holds something is refused, and stays as it is", async () => {
  await refused(73, restore(server.url("taken"), "--create"));
  assert.match(await refused(73, restore(server.url("taken"))), /already_here|not empty/);
  await refused(66, restore(server.url("nowhere")));
  assert.equal(await psql(server, "taken", "select count(*) from already_here"), "0");
});

test("an identity that is wrong, missing, garbage or open to others is refused", async () => {
  const other = join(dbctl.folder, "other.txt");
  await dbctl.ok("repo", "init", `file://${dbctl.folder}/repo2`, "--identity-out", other);
  const verify = (file: string) => ["verify", "latest", "--repo", dbctl.repo, "--identity", file];
  await refused(77, verify(other));
  await refused(66, verify(join(dbctl.folder, "none.txt")));
  await writeFile(join(dbctl.folder, "garbage.txt"), "hello\n", { mode: 0o600 });
  await dbctl.run(...verify(join(dbctl.folder, "garbage.txt"))).then(({ code }) => {
    assert.ok([65, 77, 78].includes(code), `exit ${code}`);
  });
  await chmod(other, 0o644);
  assert.match(await refused(77, verify(other)), /other\.txt/);
  await refused(77, restore(server.url("copy"), "--create", "--identity", other));
});

test("a backup that is not there is refused, and an ambiguous or malformed name", async () => {
  const show = (name: string) => {
    const key = ["--identity", dbctl.identity];
    return ["backups", "show", name, "--repo", dbctl.repo, ...key];
  };
  await refused(66, show("19990101T000000Z-aaaaaaaa"));
  await refused(66, show("nohost/nodb:latest"));
});

test("a repository that is not there, is garbage, or of a newer format is refused", async () => {
  const at = (name: string) => join(dbctl.folder, name);
  await refused(66, backup(server.url("source"), `file://${at("nothing")}`));
  await mkdir(at("junk"));
  await writeFile(join(at("junk"), "repository.json"), "\u0000not json");
  await refused(65, backup(server.url("source"), `file://${at("junk")}`));
  await mkdir(at("newer"));
  const text = await readFile(join(dbctl.repoFolder, "repository.json"), "utf8");
  const newer = text.replace(/("format"\s*:\s*)1/, "$12");
  assert.notEqual(newer, text);
  await writeFile(join(at("newer"), "repository.json"), newer);
  await refused(76, backup(server.url("source"), `file://${at("newer")}`));
  assert.deepEqual(await readdir(at("newer")), ["repository.json"]);
});

test("initialising twice is refused, and keeps the first repository and no second identity", async () => {
  const identity = join(dbctl.folder, "second.txt");
  await refused(73, ["repo", "init", dbctl.repo, "--identity-out", identity]);
  await assert.rejects(readFile(identity));
  await refused(73, [
    "repo",
    "init",
    `file://${dbctl.folder}/new`,
    "--identity-out",
    dbctl.identity,
  ]);
});

test(
  "a full disk ends the backup with one sentence; nothing half is listed, and the next one works",
  { skip: process.getuid?.() === 0 ? false : "mounting a small file system needs root" },
  async () => {
    const disk = join(dbctl.folder, "disk");
    await mkdir(disk);
    await execute("mount", ["-t", "tmpfs", "-o", "size=1500k", "tmpfs", disk]);
    try {
      const repo = `file://${disk}/repo`;
      await dbctl.ok("repo", "init", repo, "--identity-out", join(dbctl.folder, "disk.txt"));
      await psql(server, "postgres", "create database big");
      const bulk =
        "create table t as select md5(n::text) || md5((-n)::text) from generate_series(1, 80000) n";
      await psql(server, "big", bulk);
      await refused(exitCodes["store-full"], backup(server.url("big"), repo));
      const { backups } = await dbctl.ok("backups", "ls", "--repo", repo);
      assert.deepEqual(backups, []);
      await execute("mount", ["-o", "remount,size=100m", disk]);
      await dbctl.ok(...backup(server.url("big"), repo));
    } finally {
      await execute("umount", [disk]);
    }
  },
);

test("a repository that cannot be written to is refused", async () => {
  const file = join(dbctl.folder, "a-file");
  await writeFile(file, "");
  const identity = join(dbctl.folder, "third.txt");
  const { code } = await dbctl.run(
    "repo",
    "init",
    `file://${file}/repo`,
    "--identity-out",
    identity,
  );
  assert.ok([73, 74, 77].includes(code), `exit ${code}`);
  await assert.rejects(readFile(identity));
});

test("an object that cannot be backed up fails the backup by name, or makes it partial", async () => {
  await psql(server, "postgres", "create database odd");
  await psql(server, "odd", "create table fine (n int); select lo_create(4711)");
  const sentence = await refused(exitCodes["object-unsupported"], backup(server.url("odd")));
  assert.match(sentence, /large.object.*4711/);
  const partial = await dbctl.ok(...backup(server.url("odd")), "--allow-missing");
  assert.equal(partial.state, "partial");
  assert.match(JSON.stringify(partial["missing"]), /4711/);
  await rm(join(dbctl.folder, "copy"), { force: true });
});

test("Ctrl-C ends a backup with exit code 130 and leaves no session and no backup", async () => {
  const before_ = await dbctl.ok("backups", "ls", "--repo", dbctl.repo);
  await psql(
    server,
    "source",
    "create table big as select md5(n::text), n from generate_series(1, 600000) n",
  );
  const child = dbctl.start(...backup(server.url("source")), "--jobs", "1");
  const query = "select count(*) from pg_stat_activity where application_name = 'dbctl'";
  for (let n = 0; n < 500 && (await psql(server, "postgres", query)) === "0"; n++);
  child.kill("SIGINT");
  const code = await new Promise((resolve) => child.on("close", resolve));
  assert.equal(code, 130);
  assert.equal(await psql(server, "postgres", query), "0");
  assert.deepEqual(await dbctl.ok("backups", "ls", "--repo", dbctl.repo), before_);
});

test("--resume and --discard are refused where they mean nothing", async () => {
  for (const args of [
    [...restore("db8/copy"), "--resume"],
    [...restore("db8/copy"), "--discard"],
    [...restore(server.url("copy")), "--discard", "--create"],
    [...restore(server.url("copy")), "--discard", "--resume"],
  ]) {
    const { code, document } = await dbctl.run(...args, "--json");
    assert.deepEqual([code, document.error.code], [2, "usage"], args.join(" "));
  }
  const nowhere = await dbctl.run(...restore(server.url("nowhere")), "--resume", "--json");
  assert.equal(nowhere.document.error.code, "database-unknown");
  const none = await dbctl.run(...restore(server.url("source")), "--resume", "--json");
  assert.equal(none.document.error.code, "restore-unknown");
});

for (const signals of [["SIGINT"], ["SIGHUP"], ["SIGTERM", "SIGINT"]] as const)
  test(`${signals.join(" and ")} ends a restore with exit code 130; a database that it created is dropped, or kept and told of`, async () => {
    const child = dbctl.start(...restore(server.url("half"), "--create"), "--jobs", "1");
    const ended = finish(child);
    const query = "select count(*) from pg_database where datname = 'half'";
    for (let n = 0; n < 500 && (await psql(server, "postgres", query)) === "0"; n++);
    for (const signal of signals) child.kill(signal);
    const { code, stderr } = await ended;
    assert.equal(code, 130);
    // Kept once rows are being loaded.
    const isKept = (await psql(server, "postgres", query)) === "1";
    assert.equal(/parts are loaded and kept/.test(stderr), isKept, stderr);
    await psql(server, "postgres", "drop database if exists half");
  });
