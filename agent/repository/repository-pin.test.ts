import assert from "node:assert/strict";
import { readdir, stat, writeFile } from "node:fs/promises";
import { test } from "node:test";
import { DbctlError } from "../../core/errors.ts";
import { makeScratchRepository, signal } from "../../integration/fixtures/scratch-repository.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { generateIdentity } from "./identity.ts";
import { putRecipientList } from "./recipient-list.ts";
import { fileRecipient } from "./recipient.ts";
import { openRepository } from "./open-repository.ts";
import { addressOf, movePin, openPinnedRepository, readPin, writePin } from "./repository-pin.ts";

const url = "memory:";

/** The same store for somebody who may only create. */
function writeOnly(store: ObjectStore): ObjectStore {
  const denied = () => {
    throw new DbctlError("store-denied", "Cannot read: HTTP 403", { remedy: "" });
  };
  return {
    url: store.url,
    can: store.can,
    put: (key, body, options) => store.put(key, body, options),
    get: denied,
    head: denied,
    list: denied,
    listFolders: denied,
    delete: denied,
  };
}

async function scratchPin() {
  const scratch = await makeScratchRepository();
  const { store, stateDir, now } = scratch;
  const open = async (through = store) =>
    openPinnedRepository(through, { stateDir, url, now, signal });
  const change = async () => {
    const { recipient } = await generateIdentity();
    const recipients = [...scratch.repository.recipients, fileRecipient(recipient, { now })];
    const { id: repository } = scratch.repository;
    await putRecipientList(store, { repository, after: 0, recipients }, { signal });
    return recipient;
  };
  const dispose = { [Symbol.asyncDispose]: () => scratch[Symbol.asyncDispose]() };
  return { scratch, place: { stateDir, url }, open, change, ...dispose };
}

test("openPinnedRepository() pins at the first use what it then goes by without reading", async () => {
  await using pin = await scratchPin();
  const { scratch, place, open } = pin;
  await assert.rejects(open(writeOnly(scratch.store)), {
    code: "store-denied",
    remedy: /dbctl repo pin/,
  });
  assert.equal(await readPin(place), undefined);
  assert.deepEqual(await open(), scratch.repository);
  assert.deepEqual(await open(writeOnly(scratch.store)), scratch.repository);
  assert.equal((await readPin(place))?.pinned, scratch.now.toISOString());
  const folder = `${place.stateDir}/pins`;
  const [name = "", ...more] = await readdir(folder);
  assert.equal(more.length, 0);
  assert.equal((await stat(`${folder}/${name}`)).mode & 0o777, 0o600);
});

test("openPinnedRepository() refuses recipients that were changed since, until they are pinned", async () => {
  await using pin = await scratchPin();
  await pin.open();
  const recipient = await pin.change();
  const refused = { code: "identity-wrong", message: new RegExp(`${recipient} was added`) };
  await assert.rejects(pin.open(), refused);
  await assert.rejects(pin.open(), refused);
  const { store, now } = pin.scratch;
  await writePin(await openRepository(store, { signal }), { ...pin.place, now });
  assert.equal((await pin.open()).recipients.length, 2);
});

test("openPinnedRepository() refuses recipients that are gone, and another repository", async () => {
  await using pin = await scratchPin();
  const { repository, now } = pin.scratch;
  const { recipient } = await generateIdentity();
  const recipients = [...repository.recipients, fileRecipient(recipient, { now })];
  await writePin({ ...repository, recipients }, { ...pin.place, now });
  await assert.rejects(pin.open(), {
    code: "identity-wrong",
    message: new RegExp(`${recipient} is gone`),
  });
  await writePin({ ...repository, id: "0".repeat(32) }, { ...pin.place, now });
  await assert.rejects(pin.open(), { code: "identity-wrong", message: /is pinned here/ });
});

test("movePin() follows a change of what was pinned, and of nothing else", async () => {
  await using pin = await scratchPin();
  const { repository: from, store, now } = pin.scratch;
  const place = { ...pin.place, now };
  await pin.change();
  const to = await openRepository(store, { signal });
  await movePin({ from, to }, place);
  assert.equal(await readPin(pin.place), undefined);
  await writePin(from, place);
  await movePin({ from, to }, place);
  assert.deepEqual((await readPin(pin.place))?.repository, to);
  const { recipient } = await generateIdentity();
  const other = { ...to, recipients: [fileRecipient(recipient, { now })] };
  await movePin({ from, to: other }, place);
  assert.deepEqual((await readPin(pin.place))?.repository, to);
});

test("readPin() refuses a pin that is no pin", async () => {
  await using pin = await scratchPin();
  await pin.open();
  const folder = `${pin.place.stateDir}/pins`;
  const [name = ""] = await readdir(folder);
  for (const text of ["", "{}", '{"format":2}', "[]"]) {
    await writeFile(`${folder}/${name}`, text);
    await assert.rejects(pin.open(), { code: "system-failed", remedy: /repo pin/ });
  }
});

test("addressOf() is where a repository is, not how it is used", () => {
  assert.equal(addressOf("s3://b/p/?retries=quick"), addressOf("S3://b/p?storage-class=STANDARD"));
  assert.equal(addressOf("file:///a/b/"), "file:///a/b");
  const [here, there] = ["http://a:1", "http://b:1"].map((one) => `s3://b/p?endpoint=${one}`);
  assert.notEqual(addressOf(here ?? ""), addressOf(there ?? ""));
});
