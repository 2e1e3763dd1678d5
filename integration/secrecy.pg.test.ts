import assert from "node:assert/strict";
import { glob, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { startCuttableLink } from "./fixtures/cuttable-link.ts";
import { type Fleet, startFleet } from "./fixtures/fleet.ts";
import { listeningSockets } from "./fixtures/listening-sockets.ts";
import { startPostgres } from "./fixtures/postgres-server.ts";
import { findInMemory } from "./fixtures/process-memory.ts";
import { psql } from "./fixtures/psql.ts";

/** In every row; said in halves, so that only the database has it whole. */
const marker = ["kestrel", "marker", "7f21c9"].join("-");

test("a database host listens nowhere, and its controller never has a row or a key", async () => {
  await using postgres = await startPostgres(15);
  await psql(postgres, "postgres", "create database ledger");
  await psql(
    postgres,
    "ledger",
    `create table t as select n, '${marker}' || md5(n::text) as v from generate_series(1, 400000) n`,
  );
  await using link = await startCuttableLink();
  await using fleet = await startFleet({ controllerArgs: ["--advertise", link.address] });
  link.leadTo(fleet.address);
  const agent = await fleet.addAgent("db1", [{ name: "main", url: postgres.url("") }]);
  const hostState = join(fleet.dbctl.folder, "db1", "state");
  await protect(fleet);
  assert.deepEqual(await listeningSockets(pidOf(agent.process)), []);
  assert.equal((await listeningSockets(pidOf(fleet.controller))).length, 2, "gRPC and metrics");

  const { jobs } = await search(fleet, {
    words: new Map(asText("row", marker)),
    during: fleet.dbctl.ok("backup", "db1/ledger", "--wait"),
  });
  assert.equal((jobs as { state: string }[])[0]?.state, "succeeded");
  const secrets = new Map([
    ...asText("row", marker),
    ...(await keysOf(hostState)),
    ...asText("identity", await readIdentity(fleet.dbctl.identity)),
  ]);
  const { backups } = await fleet.dbctl.ok("backups", "ls");
  const [backup] = backups as { backup: string }[];
  const into = ["--to", "db1/copy", "--create", "--wait", "--identity", fleet.dbctl.identity];
  await search(fleet, {
    words: secrets,
    during: fleet.dbctl.ok("restore", backup?.backup ?? "", ...into),
  });
  const count = await psql(postgres, "copy", "select count(*) from t");
  assert.match(count, /400000/);
  assert.deepEqual(await listeningSockets(pidOf(agent.process)), []);

  // What went between agent and controller is no table, whatever it is sealed with.
  const passed = link.recorded();
  for (const [name, bytes] of secrets) assert.ok(!passed.includes(bytes), `${name} on the link`);
  assert.ok(passed.length > 1000 && passed.length < 1_000_000, `${passed.length} bytes passed`);

  // The search is able to find: what is no secret is there, and the agent has the keys.
  const known = new Map(asText("name", "ledger"));
  assert.ok((await findAtController(fleet, known)).size > 0);
  const atAgent = await findInMemory(pidOf(agent.process), secrets);
  assert.ok([...atAgent].some((name) => name.startsWith("row")));
  assert.ok([...(await findInFiles(hostState, secrets))].some((name) => /epoch key/.test(name)));
});

async function protect({ dbctl }: Fleet): Promise<void> {
  const file = join(dbctl.folder, "policies.yaml");
  const policy = { name: "all", select: "host=db1", schedule: "0 3 * * *", rpo: "27h" };
  // JSON is YAML.
  await writeFile(file, JSON.stringify([{ ...policy, repository: dbctl.repo }]));
  await dbctl.ok("policies", "apply", "-f", file);
}

/** Looks for the words at the controller while something is done, and once more after it. */
async function search<T>(
  fleet: Fleet,
  { words, during }: { words: Map<string, Buffer>; during: Promise<T> },
): Promise<T> {
  let isOver = false;
  const watched = during.finally(() => (isOver = true));
  watched.catch(() => {});
  let looks = 0;
  for (; !isOver; looks++) {
    assert.deepEqual([...(await findAtController(fleet, words))], [], "while it is done");
    await sleep(50);
  }
  const result = await watched;
  assert.ok(looks >= 2, `${looks} looks`);
  assert.deepEqual([...(await findAtController(fleet, words))], [], "after it was done");
  return result;
}

/** In its memory, its files (the catalog with outbox and audit among them) and its log. */
async function findAtController(
  fleet: Fleet,
  words: ReadonlyMap<string, Buffer>,
): Promise<Set<string>> {
  const inMemory = await findInMemory(pidOf(fleet.controller), words);
  const log = Buffer.from(fleet.controller.output());
  const inLog = [...words].filter(([, word]) => log.includes(word)).map(([name]) => name);
  const named = (place: string, found: Iterable<string>) =>
    [...found].map((name) => `${name}, in ${place}`);
  return new Set([
    ...named("memory", inMemory),
    ...named("log", inLog),
    ...named("files", await findInFiles(join(fleet.dbctl.folder, "controller"), words)),
  ]);
}

async function findInFiles(folder: string, words: ReadonlyMap<string, Buffer>) {
  const found = new Set<string>();
  for await (const entry of glob("**", { cwd: folder, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const bytes = await readFile(join(entry.parentPath, entry.name)).catch(ifGone);
    for (const [name, word] of words) if (bytes.includes(word)) found.add(name);
  }
  return found;
}

/** SQLite removes its journals when it likes. */
function ifGone(error: NodeJS.ErrnoException): Buffer {
  if (error.code === "ENOENT") return Buffer.alloc(0);
  throw error;
}

/** The epoch's key and the signing key of each server, from the host's own state. */
async function keysOf(state: string): Promise<Map<string, Buffer>> {
  const words = new Map<string, Buffer>();
  for await (const path of glob("**/state.json", { cwd: state })) {
    const saved = JSON.parse(await readFile(join(state, path), "utf8")) as {
      epoch: { key: string };
      signer: { private: string };
    };
    for (const [name, hex] of Object.entries({
      "epoch key": saved.epoch.key,
      "signing key": saved.signer.private,
    }))
      for (const [form, word] of inAllForms(name, Buffer.from(hex, "hex"))) words.set(form, word);
  }
  assert.ok(words.size > 0);
  return words;
}

async function readIdentity(path: string): Promise<string> {
  const found = /AGE-SECRET-KEY-\S+/.exec(await readFile(path, "utf8"));
  return found?.[0] ?? assert.fail("no identity");
}

/** A text as V8 keeps it: one byte or two for each character. */
function asText(name: string, text: string): [string, Buffer][] {
  return [
    [name, Buffer.from(text)],
    [`${name} (utf-16)`, Buffer.from(text, "utf16le")],
  ];
}

/** A key as bytes and as text; base64 at each offset that what stands before it may give it. */
function inAllForms(name: string, key: Buffer): [string, Buffer][] {
  const base64 = [0, 1, 2].flatMap((shift) => {
    const whole = key.subarray(shift, key.length - ((key.length - shift) % 3));
    return [whole.toString("base64"), whole.toString("base64url")];
  });
  return [
    [`${name} (bytes)`, key],
    ...asText(`${name} (hex)`, key.toString("hex")),
    ...[...new Set(base64)].map((text): [string, Buffer] => [
      `${name} (${text})`,
      Buffer.from(text),
    ]),
  ];
}

function pidOf({ child }: { child: { pid?: number | undefined } }): number {
  return child.pid ?? assert.fail("the process is gone");
}
