import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { cp, rm } from "node:fs/promises";
import { test } from "node:test";
import {
  backUp,
  makeScratchRepository,
  type ScratchRepository,
  signal,
} from "../../integration/fixtures/scratch-repository.ts";
import type { CheckDepth } from "../repository/check-depth.ts";
import type { BackupHeader } from "../repository/manifest.ts";
import { encodeHeader } from "../repository/manifest-bytes.ts";
import { removedKey } from "../repository/object-key.ts";
import { generateSigningKey } from "../repository/signer.ts";
import { overlayStore } from "./overlay-store.ts";
import { checkRepository, type RepositoryCheckResult } from "./check-repository.ts";

interface Options {
  kind?: Exclude<CheckDepth["kind"], "sample">;
  hasKey?: boolean;
  isPartialCopy?: boolean;
}

async function check(
  { store, repository, identity }: ScratchRepository,
  { kind = "full", hasKey = true, isPartialCopy = false }: Options = {},
): Promise<RepositoryCheckResult> {
  const key = hasKey ? identity : undefined;
  const request = { store, repository, identity: key, depth: { kind }, isPartialCopy, signal };
  for await (const event of checkRepository(request, { at: new Date() }))
    if (event.kind === "finished") return event.result;
  throw new Error("no result");
}

const damagesOf = ({ findings }: RepositoryCheckResult) =>
  findings
    .filter(({ severity }) => severity === "damage")
    .map(({ kind, object }) => `${kind} ${object}`);
const notesOf = ({ findings }: RepositoryCheckResult) =>
  findings
    .filter(({ severity }) => severity === "note")
    .map(({ kind, object }) => `${kind} ${object}`);

/** Two backups of one host in one epoch, each with chunks of its own; all objects are as large. */
async function makeTwo(): Promise<ScratchRepository & { headers: BackupHeader[] }> {
  const scratch = await makeScratchRepository();
  const headers: BackupHeader[] = [];
  for (let n = 0; n < 2; n++) {
    const streams = [[randomBytes(1000), randomBytes(1000)], [randomBytes(1000)]];
    const at = new Date(scratch.now.getTime() + n * 1000);
    const made = await backUp(scratch, { streams, at, isLogical: true, packBytes: 1500 });
    headers.push(made.header);
  }
  return { ...scratch, headers };
}

function flip({ objects }: ScratchRepository, key: string, share: number): void {
  const bytes = Buffer.from(objects.get(key) ?? []);
  const at = Math.min(Math.floor(bytes.length * share), bytes.length - 1);
  bytes[at] = (bytes[at] ?? 0) ^ 0x10;
  objects.set(key, bytes);
}

test("checkRepository() finds nothing in a healthy repository, at any depth", async () => {
  await using scratch = await makeTwo();
  for (const kind of ["quick", "index", "full"] as const)
    for (const hasKey of [true, false]) {
      const result = await check(scratch, { kind, hasKey });
      assert.deepEqual(result.findings, []);
      assert.deepEqual(
        result.backups.map(({ ok, restorable }) => [ok, restorable]),
        [
          [true, "whole"],
          [true, "whole"],
        ],
      );
      assert.equal(result.checkedChunks, kind === "full" && hasKey ? 6 : 0);
    }
});

const kinds = {
  manifest: ({ headers: [first] }) => `7312/backups/${first?.id}/manifest`,
  map: ({ headers: [first] }) => `7312/backups/${first?.id}/map-0`,
  pack: ({ headers: [first] }) => `7312/packs/${first?.epoch}/${first?.packs[0]?.pack}`,
  epoch: ({ headers: [first] }) => `7312/epochs/${first?.epoch}.age`,
} satisfies Record<string, (scratch: Awaited<ReturnType<typeof makeTwo>>) => string>;

/** By kind of object and damage: the least depth that finds it without a key, and with one. */
type Least = CheckDepth["kind"] | "never";
const matrix: Record<string, Record<keyof typeof kinds, [without: Least, with_: Least]>> = {
  missing: { manifest: all(), map: all(), pack: all(), epoch: all() },
  truncated: { manifest: all(), map: all(), pack: all(), epoch: ["never", "index"] },
  "flipped at the beginning": {
    manifest: all(),
    map: at("index"),
    pack: at("index"),
    epoch: ["never", "index"],
  },
  "flipped in the middle": {
    manifest: all(),
    map: at("index"),
    pack: ["never", "full"],
    epoch: ["never", "index"],
  },
  "flipped at the end": {
    manifest: at("index"),
    map: at("index"),
    pack: at("index"),
    epoch: ["never", "index"],
  },
};

function all(): [Least, Least] {
  return ["quick", "quick"];
}
function at(least: Least): [Least, Least] {
  return [least, least];
}

const depths = ["quick", "index", "full"] as const;

for (const [damage, row] of Object.entries(matrix))
  test(`checkRepository() names what is ${damage}, of every kind of object`, async () => {
    for (const [kind, [without, with_]] of Object.entries(row)) {
      await using scratch = await makeTwo();
      const object = kinds[kind as keyof typeof kinds](scratch);
      spoil(scratch, object, damage);
      for (const depth of depths)
        for (const hasKey of [true, false]) {
          const least = hasKey ? with_ : without;
          const isFound =
            least !== "never" && depths.indexOf(depth) >= depths.indexOf(least as "quick");
          const result = await check(scratch, { kind: depth, hasKey });
          const named = damagesOf(result).some((one) => one.endsWith(object));
          assert.equal(
            named,
            isFound,
            `${kind}, ${depth}, key ${hasKey}: ${damagesOf(result).join()}`,
          );
        }
    }
  });

function spoil(scratch: ScratchRepository, object: string, damage: string): void {
  const bytes = scratch.objects.get(object) ?? new Uint8Array();
  if (damage === "missing") scratch.objects.delete(object);
  else if (damage === "truncated") scratch.objects.set(object, bytes.subarray(0, bytes.length / 2));
  else if (damage.endsWith("beginning")) flip(scratch, object, 0);
  else flip(scratch, object, damage.endsWith("middle") ? 0.3 : 1);
}

test("checkRepository() tells which tables a flipped chunk costs, and which backups are whole", async () => {
  await using scratch = await makeTwo();
  const [first, second] = scratch.headers;
  flip(scratch, `7312/packs/${first?.epoch}/${first?.packs[0]?.pack}`, 0.3);
  const { findings, backups } = await check(scratch);
  assert.deepEqual(
    findings.map(({ kind, backups: hit }) => [kind, hit.map(({ id, tables }) => [id, tables])]),
    [["flipped", [[first?.id, ["public.t0"]]]]],
  );
  assert.deepEqual(
    backups.map(({ id, ok, restorable, damagedTables }) => [id, ok, restorable, damagedTables]),
    [
      [first?.id, false, "other tables", ["public.t0"]],
      [second?.id, true, "whole", []],
    ],
  );
});

test("checkRepository() names objects that are at each other's place", async () => {
  for (const kind of ["manifest", "map", "pack"] as const) {
    await using scratch = await makeTwo();
    const { headers, objects } = scratch;
    const [one, other] = [headers, headers.toReversed()].map((order) =>
      kinds[kind]({ ...scratch, headers: order }),
    );
    const [a, b] = [one ?? "", other ?? ""].map((key) => objects.get(key) ?? new Uint8Array());
    if (kind !== "manifest") assert.equal(a?.length, b?.length);
    objects.set(one ?? "", b ?? new Uint8Array()).set(other ?? "", a ?? new Uint8Array());
    const expected = kind === "manifest" ? "duplicated" : "swapped";
    const result = await check(scratch, { kind: "index" });
    assert.deepEqual(
      new Set(damagesOf(result)),
      new Set([`${expected} ${one}`, `${expected} ${other}`]),
    );
  }
});

test("checkRepository() names a manifest that is at a second place, and one of another repository", async () => {
  await using scratch = await makeTwo();
  await using other = await makeTwo();
  const key = kinds.manifest(scratch);
  const copy = key.replace("/backups/2", "/backups/3");
  scratch.objects.set(copy, scratch.objects.get(key) ?? new Uint8Array());
  const foreign = kinds.manifest(other);
  scratch.objects.set(foreign, other.objects.get(foreign) ?? new Uint8Array());
  scratch.objects.set("notes.txt", Buffer.from("x"));
  const result = await check(scratch, { kind: "quick", hasKey: false });
  assert.deepEqual(
    new Set(damagesOf(result)),
    new Set([`duplicated ${copy}`, `foreign ${foreign}`]),
  );
  assert.deepEqual(notesOf(result), ["foreign notes.txt"]);
});

test("checkRepository() misses a backup that another one followed, unless a prune removed it", async () => {
  await using scratch = await makeTwo();
  const [first] = scratch.headers;
  for (const key of scratch.objects.keys())
    if (first !== undefined && key.includes(`/backups/${first.id}/`)) scratch.objects.delete(key);
  const result = await check(scratch, { kind: "quick" });
  assert.deepEqual(damagesOf(result), [`missing 7312/backups/${first?.id}/manifest`]);
  const partial = await check(scratch, { kind: "quick", isPartialCopy: true });
  assert.deepEqual(damagesOf(partial), []);
});

test("checkRepository() explains a gap by what a prune has left, and names a replayed manifest", async () => {
  await using scratch = await makeTwo();
  const {
    objects,
    store,
    headers: [first, second],
    repository,
  } = scratch;
  assert.ok(first !== undefined && second?.previous);
  const removal = {
    format: 1,
    repository: repository.id,
    instance: "7312",
    backup: first.id,
    epoch: first.epoch,
    signer: first.signer,
    sequence: first.sequence,
    hash: second.previous.hash,
    at: new Date().toISOString(),
    by: "test",
  };
  await store.put(removedKey(first), [Buffer.from(JSON.stringify(removal))], { signal });
  const manifest = objects.get(`7312/backups/${first.id}/manifest`) ?? new Uint8Array();
  const unfinished = await check(scratch, { kind: "quick" });
  assert.deepEqual(damagesOf(unfinished), []);
  for (const key of objects.keys()) if (key.includes(`/backups/${first.id}/`)) objects.delete(key);
  const removed = await check(scratch, { kind: "quick" });
  assert.deepEqual(damagesOf(removed), []);
  assert.equal(notesOf(removed).filter((note) => note.startsWith("orphaned")).length, 2);
  await new Promise((resolve) => setTimeout(resolve, 5));
  await store.put(`7312/backups/${first.id}/manifest`, [manifest], { signal });
  const replayed = await check(scratch, { kind: "quick" });
  assert.ok(damagesOf(replayed).includes(`replayed 7312/backups/${first.id}/manifest`));
});

test("checkRepository() names two hosts that go on from one state", async () => {
  await using scratch = await makeTwo();
  const {
    headers: [first, second],
  } = scratch;
  // What a clone of the host would have written: the same number, after the same backup.
  const saved = `${scratch.stateDir}-saved`;
  await cp(scratch.stateDir, saved, { recursive: true });
  const third = await backUp(scratch, { streams: [[randomBytes(10)]], isLogical: true });
  await rm(scratch.stateDir, { recursive: true });
  await cp(saved, scratch.stateDir, { recursive: true });
  const clone = await backUp(scratch, { streams: [[randomBytes(10)]], isLogical: true });
  const result = await check(scratch);
  const names = [third, clone].map(({ header }) => `forked 7312/backups/${header.id}/manifest`);
  assert.deepEqual(new Set(damagesOf(result)), new Set(names));
  assert.ok(result.backups.every(({ restorable }) => restorable === "whole"));
  assert.ok(first !== undefined && second !== undefined);
});

test("checkRepository() names a manifest that another host has signed, and by a key which one", async () => {
  await using scratch = await makeTwo();
  const [first, second] = scratch.headers;
  assert.ok(first && second);
  const bytes = Buffer.from(scratch.objects.get(`7312/backups/${second.id}/manifest`) ?? []);
  const body = bytes.subarray(-second.body.size);
  const stranger = generateSigningKey();
  const id = second.id.replace(/.{8}$/, "00000000");
  const header = { ...second, id, maps: [], previous: null, signer: stranger.public };
  const forged = `7312/backups/${id}/manifest`;
  scratch.objects.set(forged, Buffer.concat([encodeHeader(header, stranger).bytes, body]));
  const all = [first.id, second.id, id].map((one) => `foreign 7312/backups/${one}/manifest`);
  const blind = await check(scratch, { kind: "quick", hasKey: false });
  assert.deepEqual(new Set(damagesOf(blind)), new Set(all));
  assert.deepEqual(damagesOf(await check(scratch)), [`foreign ${forged}`]);
});

test("checkRepository() does not miss what a prune removes while it looks", async () => {
  await using scratch = await makeTwo();
  const {
    objects,
    headers: [first, second],
  } = scratch;
  assert.ok(first && second?.previous);
  const removing = overlayStore(scratch.store, {
    async *list(prefix, options) {
      for await (const info of scratch.store.list(prefix, options)) {
        yield info;
        if (info.key !== `7312/backups/${first.id}/manifest`) continue;
        objects.set(removedKey(first), Buffer.from("{}"));
        for (const { pack } of first.packs) objects.delete(`7312/packs/${first.epoch}/${pack}`);
      }
    },
  });
  assert.deepEqual(damagesOf(await check({ ...scratch, store: removing }, { kind: "quick" })), []);
});

test("checkRepository() says what a key does not open, and goes on", async () => {
  await using scratch = await makeTwo();
  await using other = await makeScratchRepository();
  const result = await check({ ...scratch, identity: other.identity });
  assert.deepEqual(damagesOf(result), [`unopenable ${kinds.epoch(scratch)}`]);
  assert.ok(result.backups.every(({ restorable }) => restorable === "no"));
});
