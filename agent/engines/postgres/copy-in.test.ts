import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { copyIn } from "./copy-in.ts";
import type { PostgresSession, Turn } from "./session.ts";

const { signal } = new AbortController();

/** A session whose connection breaks once the COPY has begun. */
function breakingSession(): PostgresSession {
  let writes = 0;
  const wire = {
    hasArrived: false,
    write: () =>
      writes++ === 0 ? Promise.resolve() : Promise.reject(new Error("the connection was closed")),
  };
  const turn = {
    wire,
    signal,
    readMessage: () => Promise.resolve({ type: "G", body: Buffer.of(1, 0, 0) }),
  } as unknown as Turn;
  const exchange: PostgresSession["exchange"] = (_, talk) => talk(turn);
  return { exchange } as Partial<PostgresSession> as PostgresSession;
}

test("copyIn() reports a connection that breaks while the first row is being fetched", async () => {
  const bytes = async function* () {
    await sleep(20);
    yield Buffer.from("row");
  };
  const copying = copyIn(breakingSession(), "COPY", { bytes: bytes(), isBinary: true });
  await assert.rejects(copying, /the connection was closed/);
});

test("copyIn() reports what the source of the rows says, not what the connection says", async () => {
  const bytes = async function* () {
    await sleep(20);
    yield* [];
    throw new Error("disk on fire");
  };
  const copying = copyIn(breakingSession(), "COPY", { bytes: bytes(), isBinary: true });
  await assert.rejects(copying, /disk on fire/);
});
