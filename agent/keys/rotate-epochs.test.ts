import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { Secret } from "../../core/secret.ts";
import {
  createFaultyStore,
  brokenDisk,
  forbidden,
} from "../../integration/fixtures/faulty-store.ts";
import {
  backUp,
  makeScratchRepository,
  type ScratchRepository,
  signal,
} from "../../integration/fixtures/scratch-repository.ts";
import { encrypterFor } from "../repository/epoch-file.ts";
import { generateIdentity } from "../repository/identity.ts";
import { listBackups } from "../repository/list-backups.ts";
import { openBackup } from "../repository/open-backup.ts";
import { openRepository } from "../repository/open-repository.ts";
import { readStream } from "../repository/read-stream.ts";
import { fileRecipient } from "../repository/recipient.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { addRecipient, removeRecipient } from "./change-recipients.ts";
import { checkKeys } from "./check-keys.ts";
import { endEpochs } from "./end-epochs.ts";
import { rotateEpochs } from "./rotate-epochs.ts";

/** Backups in three epochs, and a new recipient in the place of the old one. */
async function replaceRecipient(scratch: ScratchRepository) {
  const streams: Buffer[] = [];
  for (let n = 0; n < 3; n++) {
    streams.push(randomBytes(3000));
    await backUp(scratch, { streams: [[streams[n] ?? Buffer.alloc(0)]], fresh: true });
  }
  const fresh = await generateIdentity();
  const { store } = scratch;
  const repository = await openRepository(store, { signal });
  const added = await addRecipient(
    { store, repository, signal },
    fileRecipient(fresh.recipient, { now: scratch.now, name: "new" }),
  );
  const changed = await removeRecipient({ store, repository: added, signal }, scratch.recipient);
  assert.equal(changed.list, 2);
  return { streams, fresh, changed };
}

function both(...identities: Secret[]): Secret {
  return new Secret(identities.map((one) => one.reveal()).join("\n"));
}

async function rotate(scratch: ScratchRepository, identity: Secret, store = scratch.store) {
  const repository = await openRepository(store, { signal });
  const { list } = repository;
  return await Array.fromAsync(rotateEpochs({ store, repository, list, identity, signal }));
}

/** What of the streams can be read with the identity. */
async function readable(store: ObjectStore, identity: Secret): Promise<Buffer[]> {
  const repository = await openRepository(store, { signal });
  const streams: Buffer[] = [];
  for await (const header of listBackups(store, { signal })) {
    try {
      const backup = await openBackup({ store, repository, header, keys: { identity }, signal });
      const map = await backup.streamMap(0);
      const source = { store, epoch: backup.epoch, map, signal };
      const pieces = await Array.fromAsync(readStream(source), (chunk) => Buffer.from(chunk));
      streams.push(Buffer.concat(pieces));
    } catch (error) {
      assert.equal((error as { code?: string }).code, "identity-wrong");
    }
  }
  return streams;
}

const sorted = (streams: Buffer[]) => streams.map((one) => one.toString("hex")).toSorted();

test("after a rotation the new identity restores every byte, and the old one nothing", async () => {
  await using scratch = await makeScratchRepository();
  const { streams, fresh } = await replaceRecipient(scratch);
  const { store, objects } = scratch;
  const packs = () => [...objects.keys()].filter((key) => key.includes("/packs/")).toSorted();
  const before = packs();
  assert.deepEqual(sorted(await readable(store, scratch.identity)), sorted(streams));
  const events = await rotate(scratch, both(scratch.identity, fresh.identity));
  assert.equal(events.filter(({ kind }) => kind === "sealed").length, 3);
  assert.equal(events.filter(({ kind }) => kind === "removed").length, 3);
  assert.deepEqual(packs(), before);
  assert.deepEqual(sorted(await readable(store, fresh.identity)), sorted(streams));
  assert.deepEqual(await readable(store, scratch.identity), []);
  const again = await rotate(scratch, fresh.identity);
  assert.deepEqual([...new Set(again.map(({ kind }) => kind))], ["kept"]);
});

test("a host goes on in its epoch after a rotation", async () => {
  await using scratch = await makeScratchRepository();
  const { fresh } = await replaceRecipient(scratch);
  const chunk = randomBytes(3000);
  const first = await backUp(scratch, { streams: [[chunk]] });
  await rotate(scratch, both(scratch.identity, fresh.identity));
  const { header, newBytes } = await backUp(scratch, { streams: [[chunk]] });
  assert.equal(header.epoch, first.header.epoch);
  assert.equal(newBytes, 0);
});

test("a rotation refuses when no identity of a recipient of now was given", async () => {
  await using scratch = await makeScratchRepository();
  await replaceRecipient(scratch);
  const before = [...scratch.objects.keys()].toSorted();
  await assert.rejects(rotate(scratch, scratch.identity), {
    code: "identity-wrong",
    message: /tried/,
  });
  assert.deepEqual([...scratch.objects.keys()].toSorted(), before);
});

test("a rotation that fails at any call of the store leaves every backup readable", async () => {
  for (let n = 0; ; n++) {
    await using scratch = await makeScratchRepository();
    const { streams, fresh } = await replaceRecipient(scratch);
    const identity = both(scratch.identity, fresh.identity);
    let failed = false;
    const faulty = createFaultyStore(scratch.store, ({ key, n: call }) => {
      if (call !== n) return;
      failed = true;
      throw brokenDisk(key);
    });
    const run = rotate(scratch, identity, faulty);
    if (
      await run.then(
        () => false,
        () => true,
      )
    )
      assert.ok(failed);
    assert.deepEqual(sorted(await readable(scratch.store, identity)), sorted(streams), `call ${n}`);
    await rotate(scratch, identity);
    assert.deepEqual(sorted(await readable(scratch.store, fresh.identity)), sorted(streams));
    if (!failed) break;
  }
});

test("older sealings that may not be removed are told, with why", async () => {
  await using scratch = await makeScratchRepository();
  const { fresh } = await replaceRecipient(scratch);
  const refusing = createFaultyStore(scratch.store, ({ method, key }) => {
    if (method === "delete") throw forbidden(key);
  });
  const events = await rotate(scratch, both(scratch.identity, fresh.identity), refusing);
  const remains = events.filter((event) => event.kind === "remains");
  assert.equal(remains.length, 3);
  const checks = await Array.fromAsync(
    checkKeys(
      { store: scratch.store, repository: await openRepository(scratch.store, { signal }) },
      { identity: fresh.identity, signal },
    ),
  );
  assert.deepEqual(
    checks.map(({ openedBy, list, older }) => [openedBy, list, older.length]),
    [1, 2, 3].map(() => [[fresh.recipient], 2, 1]),
  );
});

test("of two changes of the recipients at once, one wins and the other is told", async () => {
  await using scratch = await makeScratchRepository();
  const { store, repository } = scratch;
  const added = await Promise.all([generateIdentity(), generateIdentity()]);
  const ends = await Promise.allSettled(
    added.map(({ recipient }) =>
      addRecipient({ store, repository, signal }, fileRecipient(recipient, { now: scratch.now })),
    ),
  );
  assert.deepEqual(ends.map(({ status }) => status).toSorted(), ["fulfilled", "rejected"]);
  const lost = ends.find((end) => end.status === "rejected");
  assert.equal(lost?.reason.code, "busy");
  assert.equal((await openRepository(store, { signal })).recipients.length, 2);
});

test("two recipients cannot have one name, which would choose neither", async () => {
  await using scratch = await makeScratchRepository();
  const { store, now } = scratch;
  let { repository } = scratch;
  const add = async () => {
    const { recipient } = await generateIdentity();
    const added = fileRecipient(recipient, { name: "ops", now });
    repository = await addRecipient({ store, repository, signal }, added);
  };
  await add();
  await assert.rejects(add(), { code: "target-exists" });
});

test("the last recipient cannot be removed", async () => {
  await using scratch = await makeScratchRepository();
  const { store, repository, recipient } = scratch;
  await assert.rejects(removeRecipient({ store, repository, signal }, recipient), {
    code: "usage",
  });
});

test("a host begins a new epoch when its epoch was ended", async () => {
  await using scratch = await makeScratchRepository();
  const first = await backUp(scratch, { streams: [[randomBytes(100)]] });
  const options = { instance: undefined, now: scratch.now, signal };
  const ended = await Array.fromAsync(endEpochs(scratch.store, options));
  assert.deepEqual(ended, [{ instance: "7312", epoch: first.header.epoch }]);
  const second = await backUp(scratch, { streams: [[randomBytes(100)]] });
  assert.notEqual(second.header.epoch, first.header.epoch);
  const third = await backUp(scratch, { streams: [[randomBytes(100)]] });
  assert.equal(third.header.epoch, second.header.epoch);
});

test("a server without an epoch is refused, so that no typing error passes for the end of a key", async () => {
  await using scratch = await makeScratchRepository();
  const first = await backUp(scratch, { streams: [[randomBytes(100)]] });
  const options = { now: scratch.now, signal };
  const endOf = async (instance: string) =>
    await Array.fromAsync(endEpochs(scratch.store, { instance, ...options }));
  await assert.rejects(endOf("7313"), { code: "object-missing" });
  assert.deepEqual(await endOf("7312"), [{ instance: "7312", epoch: first.header.epoch }]);
  assert.deepEqual(await endOf("7312"), [], "it is known, and has ended already");
});

test("an epoch that cannot be opened keeps no other epoch at its old keys, and is told", async () => {
  for (const junk of [Buffer.from("no age file"), await sealedToStranger()]) {
    await using scratch = await makeScratchRepository();
    const { fresh } = await replaceRecipient(scratch);
    const { store, identity } = scratch;
    const bad = "0000/epochs/20261120T101530Z-k3v9x0ap.age";
    await store.put(bad, [junk], { signal });
    await assert.rejects(rotate(scratch, both(identity, fresh.identity)), {
      message: new RegExp(`^Cannot rotate the keys of all epochs: 1 .*${bad}`),
    });
    const keys = [...scratch.objects.keys()].filter((key) => key.includes("/epochs/"));
    assert.deepEqual(
      keys.filter((key) => !key.startsWith("~control/")),
      [bad],
    );
    assert.equal(keys.length, 4);
  }
});

async function sealedToStranger(): Promise<Uint8Array> {
  return await encrypterFor([(await generateIdentity()).recipient]).encrypt("{}");
}
