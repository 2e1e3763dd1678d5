import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { Secret } from "../../../core/secret.ts";
import { noChunks, RowChunker } from "../../pipeline/row-chunker.ts";
import { type FakeServer, greeting, ok, startFakeServer, type Talk } from "./fake-server.ts";
import { openSession, type Session } from "./session.ts";

const { signal } = new AbortController();

/** Runs a talk after a login that the server takes. */
function afterLogin(talk: (talk: Talk) => Promise<void>): Promise<FakeServer> {
  return startFakeServer(async (client) => {
    client.send(0, greeting());
    await client.receive();
    client.send(2, ok);
    await client.receive();
    await talk(client);
  });
}

function open({ target }: FakeServer, options: { localFiles?: boolean } = {}): Promise<Session> {
  return openSession({ target, password: undefined }, { signal, ...options });
}

const silence = () => new Promise<void>(() => undefined);

test("openSession() ends at once when its signal aborts before a silent server", async () => {
  await using server = await startFakeServer(silence);
  const { target } = server;
  const options = { signal: AbortSignal.timeout(50) };
  const started = performance.now();
  await assert.rejects(openSession({ target, password: undefined }, options), /timeout/);
  assert.ok(performance.now() - started < 1000);
});

test("openSession() ends when its signal aborts while TLS is being agreed on", async () => {
  await using server = await startFakeServer(async (client) => {
    const flagged = greeting();
    flagged[flagged.indexOf("fef72d", 0, "hex") + 1] = 0xff;
    client.send(0, flagged);
    await silence();
  });
  const target = { ...server.target, tls: "require" as const };
  const options = { signal: AbortSignal.timeout(50) };
  await assert.rejects(openSession({ target, password: undefined }, options), /timeout/);
});

test("openSession() refuses what is no greeting", async () => {
  const talks = {
    "HTTP/1.1 400 Bad Request\r\n\r\n": /Cannot talk to the server/,
    "\x05\0\0\0\x09abcd": /protocol 9, not 10/,
    "\xff\xff\xff\0": /more than 65536 bytes/,
    "\x03\0\0\0\x0a10": /ended too early/,
  };
  for (const [bytes, expected] of Object.entries(talks)) {
    await using server = await startFakeServer(async (client) => {
      client.sendRaw(Buffer.from(bytes, "latin1"));
      await new Promise((resolve) => setTimeout(resolve, 50));
      throw new Error("hang up");
    });
    await assert.rejects(open(server), { message: expected });
  }
});

test("openSession() passes on why a server takes nobody", async () => {
  await using server = await startFakeServer(async (client) => {
    client.send(0, Buffer.from("\xff\x10\x04Too many connections", "latin1"));
    await silence();
  });
  await assert.rejects(open(server), {
    code: "busy",
    message: /Too many connections \(error 1040\)/,
  });
});

test("openSession() refuses servers of another product, or too old", async () => {
  const versions = {
    "9.7.4": /answers is mysql 9\.7\.4/,
    "5.5.5-10.2.44-MariaDB": /runs 10\.2\.44/,
  };
  for (const [version, message] of Object.entries(versions)) {
    await using server = await startFakeServer(async (client) => {
      client.send(0, greeting("mysql_native_password", version));
      await silence();
    });
    await assert.rejects(open(server), { code: "engine-unsupported", message });
  }
});

test("openSession() proves its password to caching_sha2_password without sending it", async () => {
  const answers: Buffer[] = [];
  await using server = await startFakeServer(async (client) => {
    client.send(0, greeting("caching_sha2_password"));
    answers.push((await client.receive()).payload);
    client.send(2, Buffer.from([1, 3]));
    client.send(3, ok);
    await silence();
  });
  const password = new Secret("hush");
  const opened = await openSession({ target: server.target, password }, { signal });
  assert.equal(opened.greeting.plugin, "caching_sha2_password");
  const sha = (...parts: Buffer[]) => createHash("sha256").update(Buffer.concat(parts)).digest();
  const once = sha(Buffer.from("hush"));
  const mask = sha(sha(once), Buffer.alloc(20, "s"));
  const scramble = Buffer.from(once.map((byte, n) => byte ^ (mask[n] ?? 0)));
  assert.ok(answers[0]?.includes(scramble));
});

test("openSession() does not give its password away on a clear connection", async () => {
  for (const demand of [
    "\x01\x04",
    "\xfesha256_password\0ssssssssssssssssssss\0",
    "\xfemysql_clear_password\0",
  ]) {
    const said: Buffer[] = [];
    await using server = await startFakeServer(async (client) => {
      client.send(0, greeting("caching_sha2_password"));
      said.push((await client.receive()).payload);
      client.send(2, Buffer.from(demand, "latin1"));
      said.push((await client.receive()).payload);
    });
    const opening = openSession(
      { target: server.target, password: new Secret("hush") },
      { signal },
    );
    await assert.rejects(opening, /not encrypted|does not speak/);
    assert.ok(!Buffer.concat(said).includes("hush"));
  }
});

test("openSession() gives up on a server that asks again and again", async () => {
  await using server = await startFakeServer(async (client) => {
    client.send(0, greeting());
    for (let sequence = 2; ; sequence += 2) {
      await client.receive();
      client.send(
        sequence,
        Buffer.from("\xfemysql_native_password\0ssssssssssssssssssss\0", "latin1"),
      );
    }
  });
  await assert.rejects(open(server), /again and again/);
});

test("disposing a session ends soon, although the server does not take the goodbye", async () => {
  await using server = await afterLogin(silence);
  const session = await open(server);
  const started = performance.now();
  await session[Symbol.asyncDispose]();
  assert.ok(performance.now() - started < 3000);
});

test("query() does not believe endless or impossible answers", async () => {
  const answers = [
    Buffer.from("fdffffff", "hex"),
    Buffer.from("feffffffffffffffff", "hex"),
    Buffer.from("ff", "hex"),
    Buffer.from("0000", "hex"),
    Buffer.from("fb2f6574632f706173737764", "hex"),
  ];
  for (const answer of answers) {
    await using server = await afterLogin(async (client) => {
      client.send(1, answer);
      await silence();
    });
    const session = await open(server);
    await assert.rejects(session.query("SELECT 1", { signal }), { code: "protocol-violated" });
    assert.ok(!session.usable);
  }
});

test("a server that asks for a file gets nothing, unless the statement offered that file", async () => {
  const said: Buffer[] = [];
  const request = Buffer.from("\xfb/etc/passwd", "latin1");
  const start = () =>
    afterLogin(async (client) => {
      client.send(1, request);
      said.push((await client.receive()).payload);
    });
  {
    await using server = await start();
    const session = await open(server, { localFiles: true });
    await assert.rejects(session.execute("DO 1", { signal }), { code: "protocol-violated" });
  }
  {
    await using server = await start();
    const session = await open(server, { localFiles: true });
    const body = ReadableStream.from([Buffer.from("hush")]);
    const loading = session.loadLocal("LOAD …", { file: "mine", body, signal });
    await assert.rejects(loading, /a file that was not offered/);
  }
  assert.deepEqual(said, []);
});

/** The definition of a column `a`. */
const columnA = Buffer.from("0364656600000001610000000000000000000000000000", "hex");

test("streamRows() hands rows on wherever the stream is cut, and ends when it is cut off", async () => {
  const packets = (rows: number) => {
    const all = [Buffer.from([1]), columnA];
    for (let n = 0; n < rows; n++) all.push(Buffer.from(`\x03${100 + n}`, "latin1"));
    all.push(Buffer.from("fe00000200", "hex"));
    return Buffer.concat(
      all.map((payload, n) => Buffer.concat([Buffer.from([payload.length, 0, 0, n + 1]), payload])),
    );
  };
  const stream = packets(5);
  const run = async (end: number, chop: number) => {
    await using server = await afterLogin(async (client) => {
      client.sendRaw(stream.subarray(0, chop));
      await new Promise((resolve) => setTimeout(resolve, 2));
      client.sendRaw(stream.subarray(chop, end));
      if (end < stream.length) throw new Error("hang up");
      await silence();
    });
    const session = await open(server);
    const chunks: Buffer[] = [];
    const add = (chunk: Uint8Array) => void chunks.push(Buffer.from(chunk));
    const sink = new RowChunker({ ...noChunks, add }, Buffer.alloc(16));
    sink.beginPart();
    await session.streamRows("SELECT a", { sink, columns: 1, signal });
    assert.equal(sink.endPart().rows, 5n);
    assert.equal(Buffer.concat(chunks).toString("latin1"), "\x03100\x03101\x03102\x03103\x03104");
  };
  for (let chop = 1; chop < stream.length; chop += 3) await run(stream.length, chop);
  for (const end of [10, 40, stream.length - 1])
    await assert.rejects(run(end, 5), { code: "engine-unreachable" });
});

test("streamRows() waits while the sink is full, and ends when its signal aborts meanwhile", async () => {
  const row = (n: number) => Buffer.from([0x02, 0, 0, (4 + n) & 0xff, 0x01, 0x78]);
  const rows = Buffer.concat(Array.from({ length: 80 * 256 }, (_, n) => row(n)));
  let sent = 0;
  await using server = await afterLogin(async (client) => {
    client.send(1, Buffer.from([1]));
    client.send(2, columnA);
    for (; sent < 1000; sent++) {
      client.sendRaw(rows);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  });
  const session = await open(server);
  const abort = new AbortController();
  let scanned = 0;
  const chunker = new RowChunker(noChunks, Buffer.alloc(16));
  chunker.beginPart();
  const sink = {
    input: chunker.input,
    get full() {
      return scanned > 0;
    },
    scan: (...args: Parameters<RowChunker["scan"]>) => {
      scanned++;
      return chunker.scan(...args);
    },
    pushRow: () => undefined,
    rows: 0n,
    drained: (options: { signal: AbortSignal }) =>
      new Promise<void>((_, reject) => {
        const stop = () => reject(options.signal.reason as Error);
        options.signal.addEventListener("abort", stop, { once: true });
      }),
  };
  const reading = session.streamRows("SELECT a", { sink, columns: 1, signal: abort.signal });
  setTimeout(() => abort.abort(new Error("enough")), 100);
  await assert.rejects(reading, /enough/);
  assert.equal(scanned, 1);
});
