import assert from "node:assert/strict";
import { test } from "node:test";
import { Secret } from "../../core/secret.ts";
import {
  kmsRecipient,
  openWithPassphrase,
  openWithService,
  passphraseRecipient,
  recipientOf,
} from "./held-identity.ts";
import { recipientsShape } from "./recipient.ts";

const now = new Date("2026-11-20T10:00:00.000Z");
const { signal } = new AbortController();
const passphrase = new Secret("correct horse battery staple");
const repository = "ab".repeat(16);

test("the identity of a passphrase's recipient opens with that passphrase only", async () => {
  const made = await passphraseRecipient(passphrase, { name: "office", now, workFactor: 8 });
  assert.deepEqual(recipientsShape([made], "r"), [made]);
  const opened = await openWithPassphrase(made, passphrase);
  assert.equal(opened && (await recipientOf(opened)), made.recipient);
  assert.equal(await openWithPassphrase(made, new Secret("correct horse battery")), undefined);
  assert.ok(!JSON.stringify(made).includes("SECRET"));
});

test("an identity that somebody has put in another's place is damage", async () => {
  const [a, b] = [
    await passphraseRecipient(passphrase, { name: "a", now, workFactor: 8 }),
    await passphraseRecipient(passphrase, { name: "b", now, workFactor: 8 }),
  ];
  const swapped = { ...a, identity: b.identity };
  await assert.rejects(openWithPassphrase(swapped, passphrase), { code: "repository-damaged" });
  const cut = { ...a, identity: { kind: "passphrase", sealed: "AAAA" } } as const;
  await assert.rejects(openWithPassphrase(cut, passphrase), { code: "repository-damaged" });
});

test("a key service that decrypts wrongly makes no recipient", async () => {
  const service = {
    url: "kms",
    wrap: async (plain: Uint8Array) => Buffer.from(plain),
    unwrap: async () => Buffer.from("other"),
  };
  const made = kmsRecipient(service, { repository, name: "", now, signal });
  await assert.rejects(made, { code: "protocol-violated" });
});

test("the identity of a key service's recipient is bound to its repository and recipient", async () => {
  const seen: object[] = [];
  const service = {
    url: "kms",
    wrap: async (plain: Uint8Array, context: object) => {
      seen.push(context);
      return Buffer.from(plain).reverse();
    },
    unwrap: async (wrapped: Uint8Array, context: object) => {
      seen.push(context);
      return Buffer.from(wrapped).reverse();
    },
  };
  const made = await kmsRecipient(service, { repository, name: "", now, signal });
  const opened = await openWithService(made, { service, repository, signal });
  assert.equal(opened && (await recipientOf(opened)), made.recipient);
  for (const context of seen) assert.deepEqual(context, { repository, recipient: made.recipient });
});
