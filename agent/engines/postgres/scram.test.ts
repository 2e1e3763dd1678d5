import assert from "node:assert/strict";
import { createHash, createHmac, pbkdf2Sync } from "node:crypto";
import { test } from "node:test";
import { type Scram, startScram } from "./scram.ts";

const mechanisms = ["SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"];
const salt = Buffer.from("0123456789abcdef");
const hmac = (key: Uint8Array, text: string) => createHmac("sha256", key).update(text).digest();

function begin(password: string): { scram: Scram; serverFirst: string } {
  const scram = startScram({ password, mechanisms, tls: undefined });
  const nonce = /r=(.*)$/.exec(scram.first)?.[1] ?? "";
  return { scram, serverFirst: `r=${nonce}server,s=${salt.toString("base64")},i=4096` };
}

/** The server's side, by RFC 5802, section 3. */
function judge(password: string, { first, serverFirst, final }: Record<string, string>) {
  const salted = pbkdf2Sync(password, salt, 4096, 32, "sha256");
  const [unproved = "", proof = ""] = (final ?? "").split(",p=");
  const proved = `${(first ?? "").slice("n,,".length)},${serverFirst},${unproved}`;
  const clientKey = hmac(salted, "Client Key");
  const signature = hmac(createHash("sha256").update(clientKey).digest(), proved);
  const sent = Buffer.from(proof, "base64");
  const isRight = clientKey.every((byte, i) => byte === ((sent[i] ?? 0) ^ (signature[i] ?? 0)));
  return { isRight, answer: `v=${hmac(hmac(salted, "Server Key"), proved).toString("base64")}` };
}

test("startScram() proves the password and has the server prove it", async () => {
  for (const [given, stored] of [
    ["pencil", "pencil"],
    ["I\u00adX", "IX"],
    ["\u00aa", "a"],
    ["\u2168", "IX"],
    ["a\u00a0b", "a b"],
    ["bell\u0007", "bell\u0007"],
  ] as const) {
    const { scram, serverFirst } = begin(given);
    assert.equal(scram.mechanism, "SCRAM-SHA-256");
    const final = await scram.respond(serverFirst);
    const { isRight, answer } = judge(stored, { first: scram.first, serverFirst, final });
    assert.ok(isRight, given);
    scram.verify(answer);
    const impostor = judge("other", { first: scram.first, serverFirst, final });
    assert.ok(!impostor.isRight);
    for (const wrong of [impostor.answer, "v=", "", "e=other-error", answer.slice(0, -8)])
      assert.throws(() => scram.verify(wrong), { code: "protocol-violated" });
  }
});

test("startScram() refuses a server's first message that is not as it should be", async () => {
  const { scram, serverFirst } = begin("pencil");
  for (const wrong of [
    "",
    serverFirst.replace("r=", "r=x"),
    serverFirst.replace("server", ""),
    serverFirst.replace("i=4096", "i=0"),
    serverFirst.replace("i=4096", "i=9999999"),
    serverFirst.replace("i=4096", "i=99999999999"),
    serverFirst.replace("s=", "s=?"),
    `m=ext,${serverFirst}`,
  ])
    await assert.rejects(scram.respond(wrong), { code: "protocol-violated" }, wrong);
  assert.throws(() => scram.verify("v="), { code: "protocol-violated" });
});

test("startScram() refuses a server without a mechanism it knows", () => {
  const parts = { password: "x", mechanisms: ["SCRAM-SHA-1"], tls: undefined };
  assert.throws(() => startScram(parts), { code: "protocol-violated" });
});
