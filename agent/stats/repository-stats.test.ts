import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import {
  backUp,
  makeScratchRepository,
  type ScratchRepository,
  signal,
} from "../../integration/fixtures/scratch-repository.ts";
import type { BackupHeader } from "../repository/manifest.ts";
import { openBackup } from "../repository/open-backup.ts";
import { repositoryStats } from "./repository-stats.ts";

/** Five backups of two databases and two epochs; chunks come again within and between them. */
async function makeFive(): Promise<ScratchRepository & { headers: BackupHeader[] }> {
  const scratch = await makeScratchRepository();
  const chunks = Array.from({ length: 12 }, (_, n) => randomBytes(500 + 100 * n));
  const pick = (...numbers: number[]) => numbers.map((n) => chunks[n] ?? Buffer.alloc(1));
  const headers: BackupHeader[] = [];
  for (const [n, spec] of [
    { streams: [pick(0, 1, 2, 0), pick(3)] },
    { streams: [pick(0, 2), pick(4, 5)] },
    { streams: [pick(6, 0)], database: "crm", state: "partial" as const },
    { streams: [pick(0, 7), pick(8)], fresh: true },
    { streams: [pick(9, 10, 11)], instance: "99" },
  ].entries()) {
    const at = new Date(scratch.now.getTime() + n * 60_000);
    headers.push((await backUp(scratch, { packBytes: 2000, at, ...spec })).header);
  }
  // What a backup left that failed.
  scratch.objects.set(`7312/packs/${headers[0]?.epoch}/${"0".repeat(32)}`, Buffer.alloc(77));
  return { ...scratch, headers };
}

/** The different frames of some backups, by walking over every map. */
async function walk(scratch: ScratchRepository, headers: readonly BackupHeader[]) {
  const frames = new Map<string, { stored: number; bytes: number }>();
  let references = 0;
  for (const header of headers) {
    const keys = { identity: scratch.identity };
    const backup = await openBackup({ ...scratch, header, keys, signal });
    for (const stream of backup.streams)
      for (const { pack, offset, stored, bytes } of (await backup.streamMap(stream)).chunks) {
        frames.set(`${pack} ${offset}`, { stored, bytes });
        references += 1;
      }
  }
  const sum = (name: "stored" | "bytes") =>
    frames.values().reduce((all, one) => all + one[name], 0);
  return { different: frames.size, references, bytes: sum("bytes"), stored: sum("stored") };
}

test("repositoryStats() says of every database what an independent walk finds", async () => {
  await using scratch = await makeFive();
  const { databases, totals } = await repositoryStats({ ...scratch, identity: undefined, signal });
  assert.deepEqual(
    databases.map(({ instance, database, backups, partial, epochs, referenced }) => [
      `${instance} ${database}`,
      backups,
      partial,
      epochs,
      referenced,
    ]),
    [
      [
        "7312 h/shop",
        3,
        0,
        2,
        500 + 600 + 700 + 500 + 800 + (500 + 700 + 900 + 1000) + (500 + 1200 + 1300),
      ],
      ["7312 h/crm", 1, 1, 1, 1100 + 500],
      ["99 h/shop", 1, 0, 1, 1400 + 1500 + 1600],
    ],
  );
  const packs = [...scratch.objects].filter(([key]) => key.includes("/packs/"));
  assert.equal(
    totals.stored,
    packs.reduce((sum, [, { length }]) => sum + length, 0),
  );
  assert.equal(totals.saved, totals.referenced - totals.stored);
  assert.equal(totals.oldest, scratch.headers[0]?.started);
  assert.equal(totals.newest, scratch.headers[4]?.started);
  const own = databases.reduce((sum, { stored }) => sum + stored, 0);
  assert.equal(totals.stored, own + 77);
});

test("repositoryStats() with a key counts chunks, and what no backup needs", async () => {
  await using scratch = await makeFive();
  const { headers, objects, store } = scratch;
  const [first, second] = headers;
  // As after a prune: a part of the first backup's packs is of no use to anybody.
  for (const key of objects.keys()) if (key.includes(`/backups/${first?.id}/`)) objects.delete(key);
  const rest = headers.slice(1);
  const exact = await repositoryStats({ ...scratch, signal });
  const bounds = await repositoryStats({ ...scratch, identity: undefined, signal });
  assert.equal(exact.epochs.length, 3);
  for (const [n, one] of exact.epochs.entries()) {
    const ofEpoch = rest.filter(({ epoch }) => epoch === one.epoch);
    const walked = await walk(scratch, ofEpoch);
    assert.deepEqual(one.chunks, walked);
    const needed = new Set(ofEpoch.flatMap(({ packs }) => packs.map(({ pack }) => pack)));
    const listed = await Array.fromAsync(
      store.list(`${one.instance}/packs/${one.epoch}/`, { signal }),
    );
    const size = listed
      .filter(({ key }) => needed.has(key.split("/").at(-1) ?? ""))
      .reduce((sum, info) => sum + info.size, 0);
    assert.equal(one.dead.atLeast, size - walked.stored);
    const { atLeast, atMost } = bounds.epochs[n]?.dead ?? { atLeast: -1, atMost: -1 };
    const most = [...needed].map((pack) =>
      Math.max(
        ...ofEpoch.flatMap(({ packs }) =>
          packs.filter((other) => other.pack === pack).map(({ live }) => live),
        ),
      ),
    );
    assert.equal(atMost, size - most.reduce((sum, live) => sum + live, 0));
    assert.ok(atLeast <= one.dead.atLeast && one.dead.atLeast <= atMost, `${atLeast} ${atMost}`);
  }
  const orphaned = exact.epochs.find(({ epoch }) => epoch === second?.epoch)?.orphaned;
  assert.ok((orphaned?.packs ?? 0) >= 1 && (orphaned?.bytes ?? 0) >= 77);
});

test("repositoryStats() names manifests that are in no figure", async () => {
  await using scratch = await makeFive();
  const key = `99/backups/${scratch.headers[4]?.id}/manifest`;
  scratch.objects.set(key, Buffer.from("x"));
  const { databases, unreadable } = await repositoryStats({ ...scratch, signal });
  assert.equal(databases.length, 2);
  assert.deepEqual(
    unreadable.map(({ object }) => object),
    [key],
  );
});
