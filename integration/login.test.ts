import assert from "node:assert/strict";
import { chmod, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { parseToken } from "../core/enrolment-token.ts";
import { writeFleetIdentity } from "../core/fleet-identity.ts";
import { makeScratchAuthority } from "./fixtures/fleet-certificates.ts";
import { type FleetController, startFleetController } from "./fixtures/fleet-controller.ts";
import { type DbctlScratch, makeDbctlScratch } from "./fixtures/run-dbctl.ts";

let fleet: FleetController;
let dbctl: DbctlScratch;
let admin: string;
before(async () => {
  fleet = await startFleetController();
  dbctl = await makeDbctlScratch({ init: false });
  admin = join(dbctl.folder, "admin.json");
  await writeFleetIdentity(admin, fleet.admin);
});
after(async () => {
  await dbctl[Symbol.asyncDispose]();
  await fleet[Symbol.asyncDispose]();
});

test("dbctl agents before a login says how to log in", async () => {
  const { code, stderr } = await dbctl.run("agents", "ls");
  assert.equal(code, 77);
  assert.match(stderr, /dbctl login <host:port> --identity-file/);
});

test("dbctl login saves nothing that does not work", async () => {
  const { certify } = await makeScratchAuthority();
  const foreign = join(dbctl.folder, "foreign.json");
  await writeFleetIdentity(foreign, {
    ...fleet.admin,
    ...(await certify({ kind: "user", name: "x" })),
  });
  const broken = join(dbctl.folder, "broken.json");
  await writeFile(broken, '{"format":1,"key":"-----SECRET-----', { mode: 0o600 });
  const open = join(dbctl.folder, "open.json");
  await writeFile(open, await readFile(admin));
  await chmod(open, 0o644);
  const tries: [file: string, code: number][] = [
    [foreign, 77],
    [broken, 78],
    [open, 77],
    [join(dbctl.folder, "none.json"), 66],
  ];
  for (const [file, code] of tries) {
    const run = await dbctl.run("login", fleet.address, "--identity-file", file);
    assert.equal(run.code, code, run.stderr);
    assert.doesNotMatch(run.stdout + run.stderr, /SECRET|PRIVATE/);
  }
  const nobody = await dbctl.run("login", "127.0.0.1:1", "--identity-file", admin);
  assert.equal(nobody.code, 69, nobody.stderr);
  assert.equal((await dbctl.run("agents", "ls")).code, 77);
});

test("dbctl login, agents token, ls and revoke work together", async () => {
  const saved = await dbctl.ok("login", fleet.address, "--identity-file", admin);
  assert.equal(saved["user"], "admin");
  const file = String(saved["file"]);
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  const { token } = await dbctl.ok("agents", "token", "--ttl", "15m", "--label", "env=prod");
  assert.equal(parseToken(String(token)).address, fleet.address);
  const out = join(dbctl.folder, "tokens", "db7.token");
  await mkdir(dirname(out));
  const printed = await dbctl.run("agents", "token", "--out", out);
  assert.equal(printed.code, 0, printed.stderr);
  assert.doesNotMatch(printed.stdout, /dbctl1\./);
  assert.equal((await stat(out)).mode & 0o777, 0o600);
  parseToken(await readFile(out, "utf8"));
  assert.deepEqual((await dbctl.ok("agents", "ls"))["agents"], []);
  assert.equal((await dbctl.run("agents", "revoke", "db7")).code, 68);
  for (const ttl of ["1", "0h", "8d", "x"])
    assert.equal((await dbctl.run("agents", "token", "--ttl", ttl)).code, 2, ttl);
});

test("dbctl users add gives a role that holds, users revoke takes it; one admin stays", async () => {
  const file = (name: string) => join(dbctl.folder, `${name}.json`);
  const logIn = (name: string) =>
    dbctl.ok("login", fleet.address, "--identity-file", name === "admin" ? admin : file(name));
  const add = (name: string, role: string) =>
    dbctl.run("users", "add", name, "--role", role, "--out", file(name));
  for (const [name, role] of [
    ["ann", "viewer"],
    ["bob", "admin"],
  ] as const)
    assert.equal((await add(name, role)).code, 0);
  assert.equal((await stat(file("ann"))).mode & 0o777, 0o600);
  assert.equal((await add("ann", "admin")).code, 73);
  assert.equal((await add("Ann!", "viewer")).code, 2);
  assert.equal((await add("eve", "root")).code, 2);
  await logIn("ann");
  assert.equal((await dbctl.run("agents", "ls")).code, 0);
  for (const args of [
    ["agents", "token"],
    ["users", "ls"],
    ["users", "revoke", "admin"],
  ])
    assert.equal((await dbctl.run(...args)).code, 77, args.join(" "));
  await logIn("bob");
  await dbctl.ok("users", "revoke", "admin");
  assert.equal((await dbctl.run("users", "revoke", "bob")).code, 77);
  await dbctl.ok("users", "revoke", "ann");
  const { users } = await dbctl.ok("users", "ls");
  assert.deepEqual(
    (users as { name: string; revoked_at: string | null }[]).map(({ name, revoked_at: at }) => [
      name,
      at === null,
    ]),
    [
      ["admin", false],
      ["ann", false],
      ["bob", true],
    ],
  );
  const gone = await dbctl.run("login", fleet.address, "--identity-file", file("ann"));
  assert.equal(gone.code, 77);
});
