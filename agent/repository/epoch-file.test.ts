import assert from "node:assert/strict";
import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { inspect } from "node:util";
import { generateHybridIdentity, identityToRecipient } from "age-encryption";
import { Secret } from "../../core/secret.ts";
import { makeScratchFolder } from "../../integration/fixtures/scratch-folder.ts";
import { encrypterFor, type EpochFile, openEpochFile, sealEpochFile } from "./epoch-file.ts";
import { generateIdentity, readIdentityFile } from "./identity.ts";

const file: EpochFile = {
  format: 1,
  repository: "ab".repeat(16),
  instance: "7312",
  epoch: "20261120T101530Z-k3v9x0ap",
  key: "cd".repeat(32),
  signer: "ef".repeat(32),
  created: "2026-11-20T10:15:30.000Z",
};

test("openEpochFile() opens with the identity of every recipient", async () => {
  const [a, b] = [await generateIdentity(), await generateIdentity()];
  const bytes = await sealEpochFile(file, [a.recipient, b.recipient]);
  assert.deepEqual(await openEpochFile(bytes, a.identity, "x.age"), file);
  assert.deepEqual(await openEpochFile(bytes, b.identity, "x.age"), file);
});

test("openEpochFile() tells a wrong identity from a damaged file", async () => {
  const [a, b] = [await generateIdentity(), await generateIdentity()];
  const bytes = await sealEpochFile(file, [a.recipient]);
  const wrong = { code: "identity-wrong", message: /x\.age/ };
  await assert.rejects(openEpochFile(bytes, b.identity, "x.age"), wrong);
  await assert.rejects(openEpochFile(bytes, new Secret("nonsense"), "x.age"), wrong);
  for (let at = 0; at < bytes.length; at += 7) {
    const cut = bytes.subarray(0, at);
    const code = /^(repository-damaged|identity-wrong)$/;
    await assert.rejects(openEpochFile(cut, a.identity, "x.age"), { code });
    const flipped = new Uint8Array(bytes);
    flipped[at] = (flipped[at] ?? 0) ^ 1;
    await assert.rejects(openEpochFile(flipped, a.identity, "x.age"), { code, message: /x\.age/ });
  }
  const end = bytes.subarray(0, -1);
  await assert.rejects(openEpochFile(end, a.identity, "x.age"), { code: "repository-damaged" });
});

test("encrypterFor() refuses what is no recipient, and what no identity of ours opens", async () => {
  const hybrid = await identityToRecipient(await generateHybridIdentity());
  assert.match(hybrid, /^age1pq1/);
  for (const recipients of [[], ["age1nonsense"], ["ssh-ed25519 AAAA"], [""], [hybrid]])
    assert.throws(() => encrypterFor(recipients), { code: "config-invalid" });
});

test("readIdentityFile() reads an age file that nobody else may read", async () => {
  await using folder = await makeScratchFolder("identity");
  const path = join(folder.path, "key.txt");
  const { identity, recipient } = await generateIdentity();
  const text = `# created: today\n# public key: ${recipient}\n\n${identity.reveal()}\n`;
  await writeFile(path, text, { mode: 0o600 });
  assert.equal((await readIdentityFile(path)).reveal(), identity.reveal());
  assert.ok(!inspect(await readIdentityFile(path)).includes("SECRET"));
  for (const mode of [0o640, 0o604, 0o660]) {
    await chmod(path, mode);
    await assert.rejects(readIdentityFile(path), { code: "secret-exposed" });
  }
});

test("readIdentityFile() refuses what is not exactly one identity, and does not show it", async () => {
  await using folder = await makeScratchFolder("identity");
  const path = join(folder.path, "key.txt");
  await assert.rejects(readIdentityFile(path), { code: "file-missing" });
  const { identity } = await generateIdentity();
  const secret = identity.reveal();
  for (const text of ["", "# nothing\n", `${secret}\n${secret}\n`, `${secret}x\n`, "hunter2\n"]) {
    await writeFile(path, text, { mode: 0o600 });
    const error = await readIdentityFile(path).catch((reason) => reason);
    assert.equal(error.code, "config-invalid");
    assert.ok(!error.message.includes("hunter2") && !error.message.includes(secret));
  }
});
