import assert from "node:assert/strict";
import { test } from "node:test";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { exportPrivateKey, makeKeyPair } from "../../core/x509/key-pair.ts";
import {
  type ScratchAuthority,
  makeScratchAuthority,
} from "../../integration/fixtures/fleet-certificates.ts";
import { makeScratchFolder } from "../../integration/fixtures/scratch-folder.ts";
import { findFreePort } from "../../integration/fixtures/free-port.ts";
import { startNats } from "../../integration/fixtures/nats-server.ts";
import type { Bus } from "./bus.ts";
import { describeBus, exchange, message } from "./bus-contract.ts";
import { createNatsBus } from "./nats-bus.ts";

async function open() {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await startNats());
  const bus = stack.use(createNatsBus({ url: server.url, ackWaitMs: 1_000 }));
  const owned = stack.move();
  return { server, bus, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

describeBus("NATS bus", open);

test("a message whose consumer died is handed to the next", async () => {
  await using it = await open();
  await it.bus.publish(message("a"));
  const dying = createNatsBus({ url: it.server.url, ackWaitMs: 1_000 });
  const received = Promise.withResolvers<void>();
  const hang = () => {
    received.resolve();
    return new Promise<never>(() => {});
  };
  void dying.consume({ name: "one", handle: hang }, new AbortController().signal);
  await received.promise;
  await dying[Symbol.asyncDispose]();
  assert.deepEqual(await consumeUntil(it.bus, "a"), ["a"]);
});

test("what was acknowledged survives kill -9 of the server, and its id stays known", async () => {
  await using it = await open();
  for (const id of ["a", "b", "c"]) await it.bus.publish(message(id));
  await it.server.kill();
  await assert.rejects(it.bus.publish(message("d")), { code: "bus-unreachable" });
  await it.server.start();
  await republish(it.bus, "d");
  await it.bus.publish(message("b"));
  const got = await exchange(it.bus, ["one"], [message("e")]);
  assert.deepEqual(got["one"], ["a", "b", "c", "d", "e"]);
});

test("a waiting consumer survives a restart of the server, or rejects", async () => {
  await using it = await open();
  const waiting = consumeUntil(it.bus, "a").catch(() => consumeUntil(it.bus, "a"));
  await it.bus.publish(message("first"));
  await it.server.kill();
  await it.server.start();
  await republish(it.bus, "a");
  assert.equal((await waiting).at(-1), "a");
});

test("publish() rejects while there is no server, and works once there is one", async () => {
  const port = await findFreePort();
  await using bus = createNatsBus({ url: `nats://127.0.0.1:${port}` });
  await assert.rejects(bus.publish(message("a")), { code: "bus-unreachable", retryable: true });
  await using _server = await startNats({ port });
  assert.deepEqual(await exchange(bus, ["one"], [message("b")]), { one: ["b"] });
});

test("with a folder of certificates both sides must show one, and nothing goes in clear", async () => {
  await using folder = await makeScratchFolder("nats-tls", { forServer: true });
  const ours = await makeScratchAuthority();
  const at = (name: string) => join(folder.path, name);
  await writeCertificates(at("server"), ours, "controller");
  await writeCertificates(at("client"), ours, "agent");
  await writeCertificates(at("foreign"), await makeScratchAuthority(), "agent");
  await using server = await startNats({ tlsFolder: at("server") });
  await using bus = createNatsBus({ url: server.url, tlsFolder: at("client") });
  assert.deepEqual(await exchange(bus, ["one"], [message("a")]), { one: ["a"] });
  await using clear = await startNats();
  const refused = [
    { url: server.url, tlsFolder: at("foreign") },
    { url: server.url },
    { url: clear.url, tlsFolder: at("client") },
    { url: clear.url.replace("nats:", "tls:") },
  ];
  await Promise.all(
    refused.map(async (options) => {
      await using other = createNatsBus(options);
      await assert.rejects(other.publish(message("b")), { code: "bus-unreachable" });
    }),
  );
});

async function writeCertificates(
  folder: string,
  { ca }: ScratchAuthority,
  kind: "controller" | "agent",
): Promise<void> {
  await mkdir(folder);
  const keys = await makeKeyPair();
  const [now, endsAt] = [new Date(), new Date(Date.now() + 3600_000)];
  const who = { kind, subject: "nats", names: ["localhost", "127.0.0.1"] };
  const { certificate } = await ca.sign({ ...who, publicKey: keys.publicKey, now, endsAt });
  await writeFile(join(folder, "ca.pem"), ca.certificate);
  await writeFile(join(folder, "cert.pem"), certificate);
  await writeFile(join(folder, "key.pem"), await exportPrivateKey(keys));
}

async function consumeUntil(bus: Bus, last: string): Promise<string[]> {
  const seen: string[] = [];
  const stop = new AbortController();
  const handle = async ({ id }: { id: string }) => {
    seen.push(id);
    if (id === last) stop.abort();
  };
  await bus.consume({ name: "one", handle }, stop.signal);
  return seen;
}

/** As the outbox does it: again under the same id, until the bus has it. */
async function republish(bus: Bus, id: string): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      return await bus.publish(message(id));
    } catch (error) {
      if (tries === 5) throw error;
    }
  }
}
