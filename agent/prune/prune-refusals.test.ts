import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createHookedStore } from "../../integration/fixtures/hooked-store.ts";
import { signal } from "../../integration/fixtures/scratch-repository.ts";
import { holdBackup } from "../marks/hold-backup.ts";
import { undeleteBackup } from "../marks/mark-backup.ts";
import type { BackupHeader } from "../repository/manifest.ts";
import { manifestKey } from "../repository/object-key.ts";
import { objectMissing } from "../store/object-errors.ts";
import { pruneRepository } from "./prune-repository.ts";
import { day, doneBy, hour, makePruneScratch, type PruneScratch } from "./prune-scratch.ts";

const json = (value: object) => Buffer.from(JSON.stringify(value));

/** A repository in which one backup is to be removed by the next prune. */
async function makeDoomed(of: PruneScratch): Promise<{ doomed: BackupHeader; kept: BackupHeader }> {
  const doomed = await of.backUp();
  of.pass(hour);
  const kept = await of.backUp();
  await of.backUp({ instance: "7313", host: "b" });
  await of.remove(doomed);
  of.pass(8 * day);
  return { doomed, kept };
}

describe("pruneRepository() removes nothing at all, and says why,", () => {
  type Backups = { doomed: BackupHeader; kept: BackupHeader };
  type Damage = (of: PruneScratch, backups: Backups) => { key: string; bytes: Uint8Array };
  const other = "0".repeat(32);
  const id = "20261120T110000Z-00000000";
  const intent = (of: PruneScratch, change: object) => ({
    key: `7312/intents/${id}`,
    bytes: json({
      format: 1,
      repository: of.scratch.repository.id,
      instance: "7312",
      epoch: id,
      backup: id,
      started: "2026-11-20T10:00:00.000Z",
      ...change,
    }),
  });
  const bytesOf = (of: PruneScratch, key: string) =>
    Buffer.from(of.scratch.objects.get(key) ?? assert.fail(key));
  const damages: Record<string, Damage> = {
    "when a manifest is damaged": (of, { kept }) => {
      const bytes = bytesOf(of, manifestKey(kept));
      bytes.writeUInt8(bytes.readUInt8(50) ^ 1, 50);
      return { key: manifestKey(kept), bytes };
    },
    "when a manifest is of a later version": (of, { kept }) => {
      const bytes = bytesOf(of, manifestKey(kept));
      bytes.writeUInt8(2, 7);
      return { key: manifestKey(kept), bytes };
    },
    "when a manifest stands in another's place": (of, { kept, doomed }) => {
      return { key: manifestKey(kept), bytes: bytesOf(of, manifestKey(doomed)) };
    },
    "when a manifest of another server is damaged": (of) => {
      const key =
        [...of.scratch.objects.keys()].find((one) => /^7313\/.*manifest$/.test(one)) ?? "";
      return { key, bytes: bytesOf(of, key).subarray(0, 100) };
    },
    "when there is an object that it does not know": () => {
      return { key: "7312/logs/1", bytes: Buffer.of() };
    },
    "when there is a control object that it does not know": () => {
      return { key: "~control/pins/1", bytes: Buffer.of() };
    },
    "when a mark is damaged": (_, { kept }) => {
      return { key: `~control/marks/7312/${kept.id}/00000001`, bytes: Buffer.from("{}") };
    },
    "when a mark is missing": (_, { kept }) => {
      return { key: `~control/marks/7312/${kept.id}/00000002`, bytes: Buffer.from("{}") };
    },
    "when a mark is another backup's": (of, { kept, doomed }) => {
      const bytes = bytesOf(of, `~control/marks/7312/${doomed.id}/00000001`);
      return { key: `~control/marks/7312/${kept.id}/00000001`, bytes };
    },
    "when an intent is damaged": () => {
      return { key: `7312/intents/${id}`, bytes: Buffer.from("{") };
    },
    "when an intent is of a later version": (of) => intent(of, { format: 2 }),
    "when an intent is of another repository": (of) => intent(of, { repository: other }),
    "when the last prune's record is damaged": () => {
      return { key: "~control/prunes/00000001", bytes: Buffer.from("{}") };
    },
    "when the record of a removal is about another manifest": (of, { doomed }) => {
      const { instance, id: backup, epoch, signer, sequence } = doomed;
      const place = { format: 1, repository: of.scratch.repository.id, instance, backup, epoch };
      const rest = { signer, sequence, hash: "0".repeat(64), at: doomed.started, by: "" };
      return { key: `~control/removed/7312/${backup}`, bytes: json({ ...place, ...rest }) };
    },
  };
  for (const [when, damage] of Object.entries(damages))
    test(when, async () => {
      await using of = await makePruneScratch();
      const backups = await makeDoomed(of);
      const { key, bytes } = damage(of, backups);
      of.scratch.objects.set(key, bytes);
      const before = await of.keys("");
      for (const confirm of [false, true])
        await assert.rejects(of.prune({ confirm }), ({ code, message }) => {
          assert.ok(/^repository-(damaged|newer)$/.test(code), code);
          // Of two that contradict each other, the manifest is named.
          const contradicted = key.startsWith("~control/removed/");
          assert.ok(message.includes(contradicted ? manifestKey(backups.doomed) : key), message);
          return true;
        });
      assert.deepEqual(await of.keys(""), before);
      if (key.startsWith("7313/")) {
        await of.prune({ only: ["7312"] });
        assert.deepEqual(await of.keys(manifestKey(backups.doomed)), []);
      }
    });

  test("when a manifest is of another repository", async () => {
    await using of = await makePruneScratch();
    await using foreign = await makePruneScratch();
    await makeDoomed(of);
    const stray = await foreign.backUp();
    of.scratch.objects.set(manifestKey(stray), bytesOf(foreign, manifestKey(stray)));
    const message = new RegExp(`it belongs to repository ${foreign.scratch.repository.id}`);
    await assert.rejects(of.prune(), { code: "repository-damaged", message });
  });
});

test("pruneRepository() does not mind what is none of ours beside the servers' folders", async () => {
  await using of = await makePruneScratch();
  const { doomed } = await makeDoomed(of);
  for (const key of ["README", "photos/2020/a.jpg", "lost+found/1"])
    await of.store.put(key, [Buffer.from("x")], { signal });
  await of.prune();
  assert.deepEqual(await of.keys(manifestKey(doomed)), []);
  assert.equal((await of.keys("photos")).length, 1);
});

test("pruneRepository() refuses a clock that is behind an earlier prune's", async () => {
  await using of = await makePruneScratch();
  const { doomed } = await makeDoomed(of);
  const wrong = { now: () => new Date(+of.clock.now + 400 * day) };
  // Were the store's clock as wrong, nobody could know.
  const real = of.clock.now;
  of.clock.now = wrong.now();
  await of.prune({ only: ["7313"] });
  of.clock.now = real;
  await assert.rejects(of.prune(), { code: "failed", message: /the last prune was at 2028/ });
  assert.equal((await of.keys(manifestKey(doomed))).length, 1);
  of.scratch.objects.delete("~control/prunes/00000001");
  await of.prune();
  assert.deepEqual(await of.keys(manifestKey(doomed)), []);
});

test("pruneRepository() refuses a clock that is not the store's", async () => {
  await using of = await makePruneScratch();
  await makeDoomed(of);
  const before = await of.keys("");
  for (const off of [-1.1 * hour, 1.1 * hour]) {
    const now = () => new Date(+of.clock.now + off);
    await assert.rejects(of.prune({ now }), { code: "failed", message: /and the store / });
  }
  assert.deepEqual(await of.keys(""), before);
  await of.prune({ now: () => new Date(+of.clock.now + 0.9 * hour) });
});

test("pruneRepository() counts a window from the store's time of the mark when it is later", async () => {
  await using of = await makePruneScratch();
  const doomed = await of.backUp();
  await of.remove(doomed, { now: new Date(+of.clock.now - 365 * day) });
  of.pass(6 * day);
  await of.prune();
  assert.equal((await of.keys(manifestKey(doomed))).length, 1);
  of.pass(2 * day);
  await of.prune();
  assert.deepEqual(await of.keys(manifestKey(doomed)), []);
});

test("pruneRepository() leaves a backup that is younger than a day", async () => {
  await using of = await makePruneScratch();
  const doomed = await of.backUp();
  await of.remove(doomed, { window: 0 });
  of.pass(23 * hour);
  await of.prune();
  assert.equal((await of.keys(manifestKey(doomed))).length, 1);
});

test("pruneRepository() says until when the store retains an object, and removes it then", async () => {
  await using of = await makePruneScratch();
  const { doomed } = await makeDoomed(of);
  const { locks } = of.store;
  const until = new Date(+of.clock.now + 10 * day);
  const key = manifestKey(doomed);
  await locks?.retain(key, { mode: "compliance", until }, { signal });
  for (const confirm of [false, true]) {
    const [planned] = await of.prune({ confirm });
    assert.equal(planned?.kind, "planned");
    const [backup] = planned.plan.backups;
    assert.deepEqual(backup?.decision, { act: "wait", why: "retained", until });
  }
  // Not even begun, so it can still be undeleted.
  assert.equal((await of.keys(`~control/marks/7312/${doomed.id}/`)).length, 1);
  of.pass(11 * day);
  await of.prune();
  assert.deepEqual(await of.keys(key), []);
});

test("pruneRepository() bears a lock that comes after its plan", async () => {
  await using of = await makePruneScratch();
  const { doomed } = await makeDoomed(of);
  const key = manifestKey(doomed);
  const until = new Date(+of.clock.now + 2 * day);
  const events = [];
  for await (const event of pruneRepository(optionsOf(of))) {
    if (event.kind === "planned")
      await of.store.locks?.retain(key, { mode: "governance", until }, { signal });
    else events.push(event);
  }
  const size = of.scratch.objects.get(key)?.length;
  assert.deepEqual(events, [{ kind: "retained", key, size, until }]);
  of.pass(3 * day);
  await of.prune();
  assert.deepEqual(await of.keys(`/backups/${doomed.id}/`), []);
});

function optionsOf({ store, scratch, clock }: PruneScratch) {
  const now = () => clock.now;
  return { store, repository: scratch.repository.id, by: "p", now, confirm: true, signal };
}

describe("between the plan and the removal", () => {
  type Act = (of: PruneScratch, doomed: BackupHeader) => Promise<unknown>;
  const acts: Record<string, Act> = {
    undeleted: (of, doomed) => undeleteBackup(doomed, of.marking()),
    held: (of, doomed) => holdBackup(doomed, of.marking()),
    "undeleted and deleted again": async (of, doomed) => {
      await undeleteBackup(doomed, of.marking());
      await of.remove(doomed);
    },
  };
  for (const [what, act] of Object.entries(acts))
    test(`a backup that is ${what} stays`, async () => {
      await using of = await makePruneScratch();
      const { doomed, kept } = await makeDoomed(of);
      const events = [];
      for await (const event of pruneRepository(optionsOf(of))) {
        if (event.kind === "planned") await act(of, doomed);
        else events.push(event);
      }
      assert.deepEqual(events, [{ kind: "spared", instance: "7312", backup: doomed.id }]);
      const ids = await of.assertWhole();
      assert.ok(ids.includes(doomed.id) && ids.includes(kept.id));
    });

  test("whoever comes after the removal has begun is told so", async () => {
    await using of = await makePruneScratch();
    const { doomed } = await makeDoomed(of);
    await of.prune();
    const late = { code: "backup-unknown", message: /it was removed at 2026-11-28/ };
    await assert.rejects(undeleteBackup(doomed, of.marking()), late);
    await assert.rejects(holdBackup(doomed, of.marking()), late);
    await assert.rejects(of.remove(doomed), late);
  });
});

test("pruneRepository() names the epoch or server that it does not know", async () => {
  await using of = await makePruneScratch();
  await makeDoomed(of);
  await assert.rejects(of.prune({ only: ["7314"] }), {
    code: "usage",
    message: /server 7314/,
    remedy: /^Known: 731[23]/,
  });
  await assert.rejects(of.prune({ retired: ["x"] }), { code: "usage", message: /epoch x/ });
  assert.deepEqual(doneBy(await of.prune({ only: ["7313"] })), []);
});

test("pruneRepository() looks again when another prune removes what it has just listed", async () => {
  await using of = await makePruneScratch();
  const { doomed, kept } = await makeDoomed(of);
  let others = 0;
  const store = createHookedStore(of.store, {
    before: async ({ method, key }) => {
      if (method !== "get" || key !== manifestKey(doomed) || others++ > 0) return;
      await of.prune();
    },
  });
  await of.prune({ store });
  assert.equal(others, 1);
  assert.ok(!(await of.assertWhole()).includes(doomed.id));
  assert.ok((await of.assertWhole()).includes(kept.id));
});

test("pruneRepository() gives up when the store lists a manifest that it does not have", async () => {
  await using of = await makePruneScratch();
  const { doomed } = await makeDoomed(of);
  const store = createHookedStore(of.store, {
    before: ({ method, key }) => {
      if (method === "get" && key === manifestKey(doomed)) throw objectMissing(of.store.url, key);
    },
  });
  await assert.rejects(of.prune({ store }), { code: "object-missing" });
  assert.ok((await of.assertWhole()).includes(doomed.id));
});
