import assert from "node:assert/strict";
import { test } from "node:test";
import { signal } from "../../integration/fixtures/scratch-repository.ts";
import { loadState } from "../repository/state-file.ts";
import { encodeHeader } from "../repository/manifest-bytes.ts";
import { day, doneBy, makePruneScratch } from "./prune-scratch.ts";
import { Troubles } from "./troubles.ts";
import { takeInstance } from "./take-instance.ts";

// What whoever has taken a host over can put into its own folder.

test("a host's object of no kind stops prunes with a name, and those of other servers go on", async () => {
  await using of = await makePruneScratch();
  const header = await of.backUp();
  await of.backUp({ instance: "7313", host: "b" });
  await of.remove(header, { window: 0 });
  of.pass(2 * day);
  const long = `7313/backups/20261120T101530Z-k3v9x0ap/map-1${"0".repeat(900)}`;
  of.scratch.objects.set(long, Buffer.from("x"));
  await assert.rejects(of.prune(), {
    code: "repository-damaged",
    message: new RegExp(long),
    remedy: /--instance/,
  });
  const done = doneBy(await of.prune({ only: ["7312"] }));
  assert.ok(done.some(({ kind }) => kind === "backup-removed"));
});

test("prunes whose record is full remove everything all the same", async () => {
  await using of = await makePruneScratch();
  const doomed = [await of.backUp(), await of.backUp()];
  await of.backUp({ fresh: true });
  await of.backUp({ instance: "7313", host: "b" });
  for (const header of doomed) await of.remove(header, { window: 0 });
  const old = () => of.keys(`7312/packs/${doomed[0]?.epoch}/`);
  assert.ok((await old()).length > 2);
  for (let days = 0; days < 62 + 10; days++) {
    of.pass(day);
    await of.prune({ mostSeen: 1 });
  }
  assert.deepEqual(await old(), []);
  await of.assertWhole();
});

test("packs that a manifest names and that are not there take no memory of a prune", async () => {
  await using of = await makePruneScratch();
  const header = await of.backUp();
  const { store, scratch } = of;
  const real = header.packs.length;
  const state = await loadState(`${scratch.stateDir}/a/${scratch.repository.id}/7312`);
  assert.ok(state);
  const packs = Array.from({ length: 1000 }, (_, n) => {
    return { pack: n.toString(16).padStart(32, "0"), size: 100, live: 100 };
  });
  const id = "20261120T101530Z-k3v9x0ap";
  const fake = { ...header, id, sequence: 2, packs: [...header.packs, ...packs] };
  const { bytes } = encodeHeader(fake, state.signer);
  await store.put(`7312/backups/${id}/manifest`, [bytes], { signal });
  const { id: repository } = scratch.repository;
  const troubles = new Troubles();
  const taken = await takeInstance("7312", { store, repository, troubles, signal });
  assert.deepEqual(troubles.found, []);
  assert.equal(taken?.manifests.size, 2);
  assert.equal(taken.live.size, real);
});
