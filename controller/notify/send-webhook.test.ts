import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { isPublicAddress } from "./public-address.ts";
import { startReceiver } from "./scratch-receiver.ts";
import { sendWebhook } from "./send-webhook.ts";

const now = new Date("2026-03-01T10:00:00Z");
const signal = new AbortController().signal;
const options = { now, signal, allowPrivate: true };

function delivery(url: string, secretFile = "") {
  return { eventId: "e1", url, body: '{"ü":1}', secretFile };
}

test("sendWebhook() signs the exact bytes it sends, with and without time", async () => {
  await using receiver = await startReceiver();
  const folder = await mkdtemp(join(tmpdir(), "dbctl-webhook-"));
  try {
    const file = join(folder, "secret");
    await writeFile(file, "s3cret\n", { mode: 0o600 });
    const outcome = await sendWebhook(delivery(receiver.url, file), options);
    assert.deepEqual(outcome, { kind: "delivered" });
  } finally {
    await rm(folder, { recursive: true });
  }
  const [call] = receiver.received;
  assert.ok(call);
  const { headers, body } = call;
  assert.equal(body, '{"ü":1}');
  const sign = (text: string) => createHmac("sha256", "s3cret").update(text).digest("hex");
  assert.equal(headers["x-webhook-signature"], `sha256=${sign(body)}`);
  const time = now.getTime() / 1000;
  assert.equal(headers["x-dbctl-signature"], `t=${time},v1=${sign(`${time}.${body}`)}`);
  assert.equal(headers["x-dbctl-event-id"], "e1");
  assert.equal(headers["content-type"], "application/json");
});

test("sendWebhook() sends nothing when its secret cannot be read", async () => {
  await using receiver = await startReceiver();
  const outcome = await sendWebhook(delivery(receiver.url, "/nowhere/secret"), options);
  assert.equal(outcome.kind, "failed");
  assert.equal(receiver.received.length, 0);
});

test("sendWebhook() tells answers apart: 2xx, those that may change, those that will not", async () => {
  const wanted = {
    200: "delivered",
    204: "delivered",
    301: "refused",
    307: "refused",
    400: "refused",
    404: "refused",
    408: "failed",
    429: "failed",
    500: "failed",
    503: "failed",
  };
  const codes = Object.keys(wanted).map(Number);
  await using receiver = await startReceiver((response, call) => {
    response.writeHead(codes[call] ?? 0, { location: "/elsewhere" });
    response.end("a body");
  });
  const found: Record<number, string> = {};
  for (const code of codes) found[code] = (await sendWebhook(delivery(receiver.url), options)).kind;
  assert.deepEqual(found, wanted);
  assert.deepEqual([...new Set(receiver.received.map(({ path }) => path))], ["/hook"]);
});

test("sendWebhook() gives a slow receiver up, and does not wait for an endless body", async () => {
  await using slow = await startReceiver(() => {});
  const short = { ...options, timeoutMs: 50 };
  const outcome = await sendWebhook(delivery(slow.url), short);
  assert.deepEqual(outcome, { kind: "failed", reason: "no answer within 0.05 s" });
  await using endless = await startReceiver((response) => {
    response.writeHead(200);
    response.write("for ever and ever");
  });
  const begun = performance.now();
  assert.deepEqual(await sendWebhook(delivery(endless.url), options), { kind: "delivered" });
  assert.ok(performance.now() - begun < 2_000);
});

test("sendWebhook() fails where nobody listens, and obeys its signal", async () => {
  const receiver = await startReceiver();
  await receiver[Symbol.asyncDispose]();
  assert.equal((await sendWebhook(delivery(receiver.url), options)).kind, "failed");
  await using slow = await startReceiver(() => stop.abort(new Error("stop")));
  const stop = new AbortController();
  await assert.rejects(
    sendWebhook(delivery(slow.url), { ...options, signal: stop.signal }),
    /^Error: stop$/,
  );
});

test("sendWebhook() calls no private address unless allowed, by number or by name", async () => {
  await using receiver = await startReceiver();
  const guarded = { ...options, allowPrivate: false };
  const { port } = new URL(receiver.url);
  for (const host of ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433"]) {
    const outcome = await sendWebhook(delivery(`http://${host}:${port}/hook`), guarded);
    assert.equal(outcome.kind, "refused", host);
  }
  assert.equal(receiver.received.length, 0);
});

test("isPublicAddress() knows special networks in both families", () => {
  for (const address of ["10.1.2.3", "172.31.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0"])
    assert.equal(isPublicAddress(address), false, address);
  for (const address of ["::1", "::", "fe80::1", "fd00::1", "::ffff:10.0.0.1", "no address"])
    assert.equal(isPublicAddress(address), false, address);
  for (const address of ["8.8.8.8", "172.32.0.1", "2606:4700::1111"])
    assert.equal(isPublicAddress(address), true, address);
});
