import assert from "node:assert/strict";
import { test } from "node:test";
import {
  backUp,
  makeScratchRepository,
  signal,
} from "../../integration/fixtures/scratch-repository.ts";
import { makeScratchFolder } from "../../integration/fixtures/scratch-folder.ts";
import { generateIdentity } from "../repository/identity.ts";
import { openBackup, readEpochFile } from "../repository/open-backup.ts";
import { openAgentIdentity } from "./agent-identity.ts";
import { openGrant, sealGrant } from "./epoch-grant.ts";

const now = new Date("2026-11-20T12:00:00.000Z");

async function makeGrant() {
  const scratch = await makeScratchRepository();
  const { header } = await backUp(scratch, { streams: [[Buffer.from("one")]] });
  const agent = await generateIdentity();
  const { store, identity } = scratch;
  const file = await readEpochFile(store, header, { identity, signal });
  const sealed = await sealGrant(file, { backup: header.id, recipient: agent.recipient, now });
  return { scratch, header, agent, sealed };
}

test("openGrant() gives the agent the key that opens the backup", async () => {
  const { scratch, header, agent, sealed } = await makeGrant();
  await using _ = scratch;
  const epoch = await openGrant(sealed, { identity: agent.identity, header, now });
  const { store, repository } = scratch;
  const backup = await openBackup({ store, repository, header, keys: { epoch }, signal });
  assert.deepEqual(backup.body, { streams: 1 });
  assert.equal(sealed.epoch, header.epoch);
});

test("openGrant() is refused to another agent", async () => {
  const { scratch, header, sealed } = await makeGrant();
  await using _ = scratch;
  const { identity } = await generateIdentity();
  const opening = openGrant(sealed, { identity, header, now });
  await assert.rejects(opening, { code: "identity-wrong", message: /not sealed for this agent/ });
});

test("openGrant() is refused for another backup, and after four hours", async () => {
  const { scratch, header, agent, sealed } = await makeGrant();
  await using _ = scratch;
  const { identity } = agent;
  const second = await backUp(scratch, { streams: [[Buffer.from("two")]] });
  const other = openGrant(sealed, { identity, header: second.header, now });
  await assert.rejects(other, { code: "identity-wrong", message: /it is for backup/ });
  const later = new Date(now.getTime() + 4 * 3600 * 1000 + 1);
  const late = openGrant(sealed, { identity, header, now: later });
  await assert.rejects(late, { code: "identity-wrong", message: /it ended at/ });
});

test("openGrant() is refused when any byte of it was changed", async () => {
  const { scratch, header, agent, sealed } = await makeGrant();
  await using _ = scratch;
  for (let at = 0; at < sealed.age.length; at += 7) {
    const age = Uint8Array.from(sealed.age);
    age[at] = (age[at] ?? 0) ^ 1;
    const opening = openGrant({ ...sealed, age }, { identity: agent.identity, header, now });
    await assert.rejects(opening, { code: "identity-wrong" });
  }
});

test("openAgentIdentity() makes one key and keeps it", async () => {
  await using folder = await makeScratchFolder("agent");
  const first = await openAgentIdentity(`${folder.path}/state`);
  const again = await openAgentIdentity(`${folder.path}/state`);
  assert.equal(again.recipient, first.recipient);
  assert.equal(again.identity.reveal(), first.identity.reveal());
  assert.match(first.recipient, /^age1/);
});
