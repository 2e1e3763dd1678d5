import assert from "node:assert/strict";
import { test } from "node:test";
import { describeBus, message } from "./bus-contract.ts";
import { createMemoryBus } from "./memory-bus.ts";

describeBus("memory bus", async () => {
  const bus = createMemoryBus({ consumers: ["one", "two"] });
  return { bus, [Symbol.asyncDispose]: () => bus[Symbol.asyncDispose]() };
});

test("publish() rejects while a consumer has not handled the message, and waits on when repeated", async () => {
  await using bus = createMemoryBus({ consumers: ["one"], patienceMs: 20 });
  await assert.rejects(bus.publish(message("a")), { code: "bus-unreachable", retryable: true });
  const seen: string[] = [];
  const stop = new AbortController();
  const handle = async ({ id }: { id: string }) => void seen.push(id);
  const consumed = bus.consume({ name: "one", handle }, stop.signal);
  await bus.publish(message("a"));
  stop.abort();
  await consumed;
  assert.deepEqual(seen, ["a"]);
});

test("publish() rejects when the bus is closed meanwhile", async () => {
  const bus = createMemoryBus({ consumers: ["one"] });
  const published = assert.rejects(bus.publish(message("a")), { code: "bus-unreachable" });
  await bus[Symbol.asyncDispose]();
  await published;
});
