import assert from "node:assert/strict";
import { createPrivateKey, sign } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { signWithPassword } from "./ed25519.ts";

/** PKCS #8 of an Ed25519 key, up to its 32 bytes. */
const pkcs8 = Buffer.from("302e020100300506032b657004220420", "hex");

test("signWithPassword() signs as Node does, where Node can: with 32 bytes", () => {
  const bytes = fc.uint8Array({ minLength: 32, maxLength: 32 });
  const property = fc.property(bytes, fc.uint8Array(), (seed, message) => {
    const der = Buffer.concat([pkcs8, seed]);
    const key = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
    const expected = sign(null, message, key);
    assert.deepEqual(signWithPassword(Buffer.from(seed), Buffer.from(message)), expected);
  });
  fc.assert(property, { numRuns: 20 });
});
