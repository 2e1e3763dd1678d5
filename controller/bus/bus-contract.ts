import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Bus, BusMessage } from "./bus.ts";

/** What a contract test needs: a bus whose durable consumers are `one` and `two`. */
export interface OpenBus extends AsyncDisposable {
  bus: Bus;
}

/** The promises of `Bus`, as tests. */
export function describeBus(name: string, open: () => Promise<OpenBus>): void {
  describe(`${name} keeps the Bus contract`, () => {
    test("every durable consumer gets all messages in order", async () => {
      await using it = await open();
      const got = await exchange(
        it.bus,
        ["one", "two"],
        [message("a"), message("b"), message("c")],
      );
      assert.deepEqual(got, { one: ["a", "b", "c"], two: ["a", "b", "c"] });
    });

    test("a message keeps its subject and body", async () => {
      await using it = await open();
      const sent = { id: "x", subject: "dbctl.v1.alert.rpo.open.h._.d", body: '{"name":"ünï\\n"}' };
      const seen: BusMessage[] = [];
      const stop = new AbortController();
      const handle = (got: BusMessage) => keep(seen, got, { until: 1, stop });
      const done = consumeBoth(it.bus, handle, stop);
      await Promise.all([it.bus.publish(sent), done]);
      assert.deepEqual(seen, [sent]);
    });

    test("publish() of an id that was published is told once", async () => {
      await using it = await open();
      const twice = [message("a"), message("a"), message("b"), message("a"), message("c")];
      const got = await exchange(it.bus, ["one", "two"], twice);
      assert.deepEqual(got, { one: ["a", "b", "c"], two: ["a", "b", "c"] });
    });

    test("consume() throws what the handler throws, and hands that message out again", async () => {
      await using it = await open();
      const published = publishAll(it.bus, [message("a"), message("b")]);
      const other = new AbortController();
      const two = it.bus.consume({ name: "two", handle: async () => {} }, other.signal);
      const handle = () => Promise.reject(new Error("disk on fire"));
      const never = new AbortController().signal;
      await assert.rejects(it.bus.consume({ name: "one", handle }, never), /disk on fire/);
      const seen: string[] = [];
      const stop = new AbortController();
      await it.bus.consume({ name: "one", handle: until("b", seen, stop) }, stop.signal);
      assert.deepEqual(seen, ["a", "b"]);
      await published;
      other.abort();
      await two;
    });

    test("consume() goes on where its name was, and resolves at once when aborted", async () => {
      await using it = await open();
      const first = await exchange(it.bus, ["one", "two"], [message("a"), message("b")]);
      assert.deepEqual(first["one"], ["a", "b"]);
      const second = await exchange(it.bus, ["one", "two"], [message("c")]);
      assert.deepEqual(second, { one: ["c"], two: ["c"] });
      const stop = new AbortController();
      const idle = it.bus.consume({ name: "one", handle: async () => {} }, stop.signal);
      setTimeout(() => stop.abort(), 100);
      const begun = performance.now();
      await idle;
      assert.ok(performance.now() - begun < 2_000);
    });
  });
}

export function message(id: string): BusMessage {
  return { id, subject: "dbctl.v1.event.backup_completed.h._.d", body: `{"id":"${id}"}` };
}

/** Publishes, and gives the ids that each consumer got up to the last message. */
export async function exchange(
  bus: Bus,
  names: readonly string[],
  messages: readonly BusMessage[],
): Promise<Record<string, string[]>> {
  const last = messages.at(-1)?.id ?? "";
  const got: Record<string, string[]> = {};
  const consumed = names.map((name) => {
    const stop = new AbortController();
    const seen: string[] = [];
    got[name] = seen;
    return bus.consume({ name, handle: until(last, seen, stop) }, stop.signal);
  });
  await Promise.all([publishAll(bus, messages), ...consumed]);
  return got;
}

async function publishAll(bus: Bus, messages: readonly BusMessage[]): Promise<void> {
  for (const one of messages) await bus.publish(one);
}

function until(last: string, seen: string[], stop: AbortController) {
  return async ({ id }: BusMessage) => {
    seen.push(id);
    if (id === last) stop.abort();
  };
}

async function keep(
  seen: BusMessage[],
  got: BusMessage,
  { until: count, stop }: { until: number; stop: AbortController },
): Promise<void> {
  seen.push(got);
  if (seen.length === count) stop.abort();
}

/** The first consumer's messages count; the second only takes them. */
async function consumeBoth(
  bus: Bus,
  handle: (message: BusMessage) => Promise<void>,
  stop: AbortController,
): Promise<void> {
  const two = new AbortController();
  await Promise.all([
    bus.consume({ name: "one", handle }, stop.signal),
    bus.consume({ name: "two", handle: async () => two.abort() }, two.signal),
  ]);
}
