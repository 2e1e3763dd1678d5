import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { DbctlError } from "../../../core/errors.ts";
import { Secret } from "../../../core/secret.ts";
import { findFreePort } from "../../../integration/fixtures/free-port.ts";
import { noChunks, RowChunker } from "../../pipeline/row-chunker.ts";
import type { RowSink } from "../../pipeline/row-sink.ts";
import { copyOut } from "./copy-out.ts";
import { encodeMessage, uint32 } from "./messages.ts";
import { openSession } from "./session.ts";
import { parsePostgresTarget } from "./target.ts";

const { signal } = new AbortController();
const ready = encodeMessage("Z", Buffer.from("I"));
const greeting = Buffer.concat([
  encodeMessage("R", uint32(0)),
  encodeMessage("S", "server_version", "15.8"),
  encodeMessage("S", "server_encoding", "UTF8"),
  encodeMessage("S", "client_encoding", "UTF8"),
  encodeMessage("K", uint32(7), uint32(8)),
  ready,
]);
const settings = Buffer.concat([encodeMessage("C", "SELECT 1"), ready]);
const pid = Buffer.concat([
  encodeMessage("T", Buffer.of(0, 1), "pid", Buffer.alloc(18)),
  encodeMessage("D", Buffer.of(0, 1), uint32(1), Buffer.from("7")),
  encodeMessage("C", "SELECT 1"),
  ready,
]);

/** A server that gives the n-th answer to the n-th thing it hears; `end` closes after the last. */
async function startFake(answers: Uint8Array[], { end = false } = {}) {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    let heard = 0;
    socket.on("error", () => undefined);
    socket.on("data", () => {
      const answer = answers[heard++];
      if (answer !== undefined) socket.write(answer);
      if (end && heard >= answers.length) socket.end();
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    target: parsePostgresTarget(`postgres://u@127.0.0.1:${port}/d`),
    sockets,
    async [Symbol.asyncDispose]() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, "close");
    },
  };
}

const isOurs = (error: unknown) => error instanceof DbctlError && error.code !== "internal-bug";

test("openSession() fails with a DbctlError, whatever a server answers", async () => {
  const plausible = fc
    .tuple(fc.constantFrom("R", "S", "K", "Z", "E", "N", "T", "D", "C", "H"), fc.uint8Array())
    .map(([type, body]) => encodeMessage(type, body));
  const garbage = fc.array(fc.oneof(plausible, fc.uint8Array()), { maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(garbage, fc.boolean(), async (pieces, greets) => {
      const first = greets ? [greeting, settings] : [];
      await using fake = await startFake([...first, Buffer.concat(pieces)], { end: true });
      await assert.rejects(openSession(fake.target, { signal }), isOurs);
    }),
    { numRuns: 150 },
  );
});

test("openSession() does not wait for a message of a huge length", async () => {
  await using fake = await startFake([Buffer.concat([Buffer.from("R"), uint32(0x7fffffff)])]);
  await assert.rejects(openSession(fake.target, { signal }), { code: "protocol-violated" });
});

test("openSession() refuses a server that announces settings without end", async () => {
  const many = Array.from({ length: 300 }, (_, i) => encodeMessage("S", `s${i}`, "x"));
  await using fake = await startFake([Buffer.concat([encodeMessage("R", uint32(0)), ...many])]);
  await assert.rejects(openSession(fake.target, { signal }), { code: "protocol-violated" });
});

test("openSession() names a port where nobody listens and a host that is not known", async () => {
  const port = await findFreePort();
  const closed = parsePostgresTarget(`postgres://u@127.0.0.1:${port}/d`);
  await assert.rejects(openSession(closed, { signal }), { code: "engine-unreachable" });
  const nowhere = parsePostgresTarget("postgres://u@nowhere.invalid/d");
  await assert.rejects(openSession(nowhere, { signal }), { code: "host-unknown" });
  const noSocket = parsePostgresTarget("postgres://u@/d?host=/nonexistent");
  await assert.rejects(openSession(noSocket, { signal }), { code: "engine-unreachable" });
});

test("openSession() refuses a pooler: its process id is not the server's", async () => {
  const other = Buffer.from(pid.toString("latin1").replace("7", "9"), "latin1");
  await using fake = await startFake([greeting, settings, other]);
  await assert.rejects(openSession(fake.target, { signal }), {
    code: "engine-unsupported",
    message: /pooler/,
  });
});

test("openSession() refuses a server that is too old", async () => {
  const old = Buffer.from(greeting.toString("latin1").replace("15.8", "9.6x"), "latin1");
  await using fake = await startFake([old]);
  await assert.rejects(openSession(fake.target, { signal }), {
    code: "engine-unsupported",
    remedy: /oldest supported release is 10/,
  });
});

test("openSession() does not send a password in clear text over TCP", async () => {
  await using fake = await startFake([encodeMessage("R", uint32(3))]);
  await assert.rejects(openSession(fake.target, { signal }), { code: "engine-denied" });
});

test("openSession() refuses a server that cuts the SCRAM exchange short", async () => {
  const offer = encodeMessage("R", uint32(10), "SCRAM-SHA-256", Buffer.of(0));
  await using fake = await startFake([offer, greeting]);
  const opening = openSession(fake.target, { signal, password: new Secret("pencil") });
  await assert.rejects(opening, { code: "protocol-violated", message: /out of order/ });
});

for (const [stage, answers] of [
  ["at the start", []],
  ["after the greeting", [greeting]],
] as const)
  test(`openSession() ends at once on abort while the server is silent ${stage}`, async () => {
    await using fake = await startFake([...answers]);
    const controller = new AbortController();
    const opening = openSession(fake.target, { signal: controller.signal });
    await sleep(50);
    const reason = new Error("enough");
    const begun = performance.now();
    controller.abort(reason);
    await assert.rejects(opening, reason);
    assert.ok(performance.now() - begun < 500);
  });

test("query() and copyOut() end at once on abort while the server is silent", async () => {
  for (const act of ["query", "copy"]) {
    await using fake = await startFake([greeting, settings, pid, Buffer.alloc(0)]);
    const controller = new AbortController();
    const session = await openSession(fake.target, { signal });
    const sink = new RowChunker(noChunks, Buffer.alloc(16));
    const options = { signal: controller.signal, framing: "postgres-copy-text", sink } as const;
    const waiting =
      act === "query" ? session.query("SELECT 1", options) : copyOut(session, "COPY", options);
    await sleep(50);
    controller.abort(new Error("enough"));
    await assert.rejects(waiting, /enough/);
    await assert.rejects(session.query("SELECT 1"), /enough/);
    await session[Symbol.asyncDispose]();
  }
});

const copyBegins = encodeMessage("H", Buffer.of(0, 0, 0));
const row = encodeMessage("d", Buffer.from("x\n"));
const notice = encodeMessage("N", Buffer.from("Mhello\0\0", "latin1"));
const copyEnds = [encodeMessage("c"), encodeMessage("C", "COPY 2"), ready];

test("copyOut() takes rows wherever the bytes are cut, and notices between them", async () => {
  const bytes = Buffer.concat([notice, copyBegins, row, notice, notice, row, ...copyEnds]);
  for (let cut = 1; cut < bytes.length; cut++) {
    await using fake = await startFake([greeting, settings, pid, bytes.subarray(0, cut)]);
    await using session = await openSession(fake.target, { signal });
    const sink = new RowChunker(noChunks, Buffer.alloc(16));
    sink.beginPart();
    const copied = copyOut(session, "COPY", { sink, framing: "postgres-copy-text" });
    if (cut % 7 === 0) await sleep(3);
    await sendRest(fake.sockets, bytes.subarray(cut));
    await copied;
    assert.equal(sink.endPart().rows, 2n);
  }
});

for (const when of ["at once", "after some rows"])
  test(`copyOut() keeps the order of rows, and gives none to a sink that is full ${when}`, async () => {
    const rows = Array.from({ length: 40_000 }, (_, n) =>
      Buffer.from(`row ${n} ${"x".repeat(90)}\n`),
    );
    const messages = rows.map((bytes, n) =>
      Buffer.concat([encodeMessage("d", bytes), n % 1000 === 999 ? notice : Buffer.alloc(0)]),
    );
    const ends = [encodeMessage("c"), encodeMessage("C", `COPY ${rows.length}`), ready];
    await using fake = await startFake([
      greeting,
      settings,
      pid,
      Buffer.concat([copyBegins, ...messages, ...ends]),
    ]);
    await using session = await openSession(fake.target, { signal });
    const chunks: Buffer[] = [];
    const add = (chunk: Uint8Array) => void chunks.push(Buffer.from(chunk));
    const chunker = new RowChunker({ ...noChunks, add }, Buffer.alloc(16));
    chunker.beginPart();
    let full = when === "at once";
    const sink: RowSink = {
      input: chunker.input,
      get full() {
        return full;
      },
      get rows() {
        return chunker.rows;
      },
      scan: (...args) => {
        assert.ok(!full, "rows were given to a sink that was full");
        full = true;
        return chunker.scan(...args);
      },
      pushRow: () => undefined,
      drained: async () => {
        await sleep(2);
        full = false;
      },
    };
    await copyOut(session, "COPY", { sink, framing: "postgres-copy-text" });
    assert.equal(chunker.endPart().rows, 40_000n);
    assert.ok(Buffer.concat(chunks).equals(Buffer.concat(rows)));
  });

async function sendRest(sockets: Set<Socket>, rest: Uint8Array): Promise<void> {
  const [socket] = sockets;
  while (
    socket === undefined ||
    socket.bytesWritten < greeting.length + settings.length + pid.length + 1
  )
    await sleep(1);
  socket.write(rest);
}

for (const [what, wrong] of [
  ["ends the connection inside a row", [row.subarray(0, 6)]],
  ["ends the connection between two rows", [row]],
  ["ends the connection after the rows, unconfirmed", [row, encodeMessage("c")]],
  ["sends another message between rows", [row, encodeMessage("T")]],
  ["says that it has sent more rows", [row, ...copyEnds]],
  ["does not say how many rows it has sent", [row, encodeMessage("c"), ready]],
  ["announces a row of 2 GB", [Buffer.concat([Buffer.from("d"), uint32(0x7fffffff)])]],
  ["copies in another format", [encodeMessage("H", Buffer.of(1, 0, 0))]],
] as const)
  test(`copyOut() fails when the server ${what}`, async () => {
    const begin = what.includes("format") ? [] : [copyBegins];
    const answer = Buffer.concat([...begin, ...wrong]);
    await using fake = await startFake([greeting, settings, pid, answer], { end: true });
    await using session = await openSession(fake.target, { signal });
    const sink = new RowChunker(noChunks, Buffer.alloc(16));
    sink.beginPart();
    await assert.rejects(copyOut(session, "COPY", { sink, framing: "postgres-copy-text" }), isOurs);
  });
