import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { DbctlError } from "../../core/errors.ts";
import { brokenDisk, createFaultyStore } from "../../integration/fixtures/faulty-store.ts";
import {
  backUp,
  type BackupSpec,
  makeScratchRepository,
  readBack,
  type ScratchRepository,
  signal,
} from "../../integration/fixtures/scratch-repository.ts";
import { checkBackup } from "./check-backup.ts";
import { listBackups } from "./list-backups.ts";
import type { BackupHeader } from "./manifest.ts";
import { openBackup } from "./open-backup.ts";

/** Chunks from a small alphabet, so that backups share many of them. */
const chunk = fc
  .tuple(fc.integer({ min: 0, max: 12 }), fc.integer({ min: 1, max: 4 }))
  .map(([seed, size]) => Buffer.alloc(size * 100, `chunk ${seed} of rows\n`));
const streams = fc.array(fc.array(chunk, { maxLength: 12 }), { maxLength: 5 });

const step = fc.record({
  streams,
  packBytes: fc.constantFrom(1, 300, 1000, 1 << 20),
  instance: fc.constantFrom("7312", "7313"),
  fresh: fc.boolean(),
  /** The n-th call of the store fails, or none. */
  failAt: fc.option(fc.integer({ min: 0, max: 12 })),
  /** Some pack of the instance is lost before the step. */
  loses: fc.boolean(),
});

interface Committed {
  header: BackupHeader;
  plain: Buffer[];
  packs: string[];
}

test("a repository gives back what was committed, whatever came between (random model)", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 6 }), async (steps) => {
      await using scratch = await makeScratchRepository();
      let model: Committed[] = [];
      for (const [n, { loses, failAt, ...spec }] of steps.entries()) {
        if (loses) model = await losePack(scratch, model);
        const at = new Date(+scratch.now + n * 1000);
        const committed = await attempt(scratch, { ...spec, at }, failAt);
        if (committed !== undefined) model.push(committed);
        await compare(scratch, model);
      }
    }),
    { numRuns: 40 },
  );
});

/**
 * Loses one pack of the last backup, and every backup that needs it: also one that was reported as
 * failed because its intent could not be removed. Gives those of the model that are left.
 */
async function losePack(
  { store, objects }: ScratchRepository,
  model: Committed[],
): Promise<Committed[]> {
  const lost = model.at(-1)?.packs[0];
  if (lost === undefined) return model;
  objects.delete(lost);
  for (const header of await Array.fromAsync(listBackups(store, { signal })))
    if (packsOf(header).includes(lost))
      objects.delete(`${header.instance}/backups/${header.id}/manifest`);
  return model.filter(({ packs }) => !packs.includes(lost));
}

function packsOf({ instance, epoch, packs }: BackupHeader): string[] {
  return packs.map(({ pack }) => `${instance}/packs/${epoch}/${pack}`);
}

async function attempt(
  scratch: ScratchRepository,
  spec: BackupSpec,
  failAt: number | null,
): Promise<Committed | undefined> {
  const store = failingAt(scratch, failAt);
  try {
    const { header } = await backUp(scratch, { ...spec, store });
    const plain = spec.streams.map((chunks) => Buffer.concat(chunks));
    return { header, plain, packs: packsOf(header) };
  } catch (error) {
    assertTheFault(error);
    return undefined;
  }
}

function failingAt(scratch: ScratchRepository, failAt: number | null) {
  return createFaultyStore(scratch.store, ({ n, key }) => {
    if (n === failAt) throw brokenDisk(key);
  });
}

/** Loud, and nothing but what happened. */
function assertTheFault(error: unknown): void {
  assert.ok(error instanceof DbctlError && error.code === "store-io", String(error));
}

async function compare(scratch: ScratchRepository, model: Committed[]): Promise<void> {
  const listed = await Array.fromAsync(listBackups(scratch.store, { signal }));
  const ids = (headers: BackupHeader[]) => headers.map(({ id }) => id).toSorted();
  // A backup whose manifest was written is one, even if what came after it has failed.
  const expected = new Set(model.map(({ header }) => header.id));
  assert.ok(expected.isSubsetOf(new Set(ids(listed))));
  for (const { header, plain } of model) assert.deepEqual(await readBack(scratch, header), plain);
  for (const header of listed) await assertSound(scratch, header);
}

async function assertSound(scratch: ScratchRepository, header: BackupHeader): Promise<void> {
  const keys = { identity: scratch.identity };
  const backup = await openBackup({ ...scratch, header, keys, signal });
  for await (const event of checkBackup(backup, { level: "full", signal }))
    assert.equal(event.kind, "progress");
}

test("a backup whose n-th call of the store fails is loud, and the next one converges", async () => {
  const streams = [
    [Buffer.alloc(700, "a"), Buffer.alloc(700, "b")],
    [Buffer.alloc(700, "a"), Buffer.alloc(700, "c")],
  ];
  let failed = 0;
  for (let failAt = 0; ; failAt++) {
    await using scratch = await makeScratchRepository();
    const at = new Date(+scratch.now + 1000);
    await backUp(scratch, { streams: streams.slice(0, 1) });
    const committed = await attempt(scratch, { streams, packBytes: 1, at }, failAt);
    await compare(scratch, committed === undefined ? [] : [committed]);
    const later = new Date(+scratch.now + 2000);
    const again = await attempt(scratch, { streams, packBytes: 1, at: later }, null);
    assert.ok(again !== undefined);
    await compare(scratch, [again]);
    assert.equal(
      (await Array.fromAsync(listBackups(scratch.store, { signal }))).at(-1)?.id,
      again.header.id,
    );
    if (committed !== undefined) break;
    failed++;
  }
  // Epoch key, packs, intent (put and delete), map, manifest: less would mean that none was hit.
  assert.ok(failed >= 6, `${failed}`);
});
