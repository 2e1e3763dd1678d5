import assert from "node:assert/strict";
import { test } from "node:test";
import { openScratchCatalog } from "../database/scratch-catalog.ts";
import type { Bus, BusMessage } from "./bus.ts";
import { type FleetEvent, parseToldEvent, subjectOf } from "./fleet-event.ts";
import { outboxOldestSeconds, publishOutbox, recordEvent } from "./outbox.ts";

const now = new Date("2026-03-01T10:00:00Z");

test("recordEvent() is undone with the transaction it belongs to", async () => {
  await using catalog = await openScratchCatalog();
  const failing = catalog.db.transaction(async (db) => {
    await recordEvent(db, event("a"), now);
    throw new Error("disk on fire");
  });
  await assert.rejects(failing, /disk on fire/);
  const bus = listBus();
  assert.equal(await publishOutbox(catalog.db, bus, now), 0);
  assert.deepEqual(bus.taken, []);
});

test("publishOutbox() publishes in order, each once, with the controller's time in the body", async () => {
  await using catalog = await openScratchCatalog();
  const ids = Array.from({ length: 250 }, (_, index) => `id-${index}`);
  for (const id of ids) await recordEvent(catalog.db, event(id), now);
  const bus = listBus();
  assert.equal(await publishOutbox(catalog.db, bus, now), 250);
  assert.equal(await publishOutbox(catalog.db, bus, now), 0);
  assert.deepEqual(
    bus.taken.map(({ id }) => id),
    ids,
  );
  const told = parseToldEvent(bus.taken[0]?.body ?? "");
  assert.deepEqual(told, { ...event("id-0"), at: "2026-03-01T10:00:00.000Z" });
});

test("publishOutbox() stops at what the bus refuses and skips nothing, for every message", async () => {
  for (let broken = 0; broken < 4; broken++) {
    await using catalog = await openScratchCatalog();
    for (const id of ["a", "b", "c", "d"]) await recordEvent(catalog.db, event(id), now);
    const bus = listBus(broken);
    await assert.rejects(publishOutbox(catalog.db, bus, now), /bus on fire/);
    assert.equal(bus.taken.length, broken);
    const later = new Date(now.getTime() + 90_000);
    assert.equal(await outboxOldestSeconds(catalog.db, later), 90);
    await publishOutbox(catalog.db, bus, later);
    assert.equal(bus.taken.map(({ id }) => id).join(""), "abcd");
    assert.equal(await outboxOldestSeconds(catalog.db, later), 0);
  }
});

test("subjectOf() cleans names and has no empty token", () => {
  const odd = { ...event("a"), database: "my db.ü>*", instance: "" };
  assert.equal(subjectOf(odd), "dbctl.v1.event.backup_completed.h1._.my_db____");
  const alert = { ...odd, kind: "alert", type: "rpo_violation", state: "open" } as const;
  assert.equal(subjectOf(alert), "dbctl.v1.alert.rpo_violation.open.h1._.my_db____");
});

test("parseToldEvent() refuses what is no event", () => {
  const good = { ...event("a"), at: now.toISOString() };
  assert.deepEqual(parseToldEvent(JSON.stringify(good)), good);
  const bad = [{ ...good, severity: "fatal" }, { ...good, details: null }, { ...good, at: 1 }, 7];
  for (const value of [...bad.map((one) => JSON.stringify(one)), "", "{"])
    assert.throws(() => parseToldEvent(value), { code: "protocol-violated" });
});

function event(id: string): FleetEvent {
  const what = { type: "backup_completed", kind: "event", severity: "success" } as const;
  const subject = { host: "h1", instance: "main", database: "shop" };
  return { id, ...what, ...subject, message: "Backed up h1/shop", details: { job: "j1" } };
}

/** Keeps what is published; the message with that number is refused once. */
function listBus(broken = -1): Bus & { taken: BusMessage[] } {
  const taken: BusMessage[] = [];
  let armed = true;
  return {
    taken,
    async publish(message) {
      if (armed && taken.length === broken) {
        armed = false;
        throw new Error("bus on fire");
      }
      taken.push(message);
    },
    consume: () => Promise.reject(new Error("nobody consumes here")),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
