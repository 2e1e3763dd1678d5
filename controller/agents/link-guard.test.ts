import assert from "node:assert/strict";
import { test } from "node:test";
import { OpenCalls } from "../../core/grpc/open-calls.ts";
import { openScratchCatalog } from "../database/scratch-catalog.ts";
import { LinkGuard } from "./link-guard.ts";

const agent = { kind: "agent", id: "a1", name: "db1", serial: "00" } as const;
const events = "select body from outbox order by position";

test("LinkGuard.admit() keeps a second link out until the first has ended", async () => {
  await using catalog = await openScratchCatalog();
  const calls = new OpenCalls();
  const guard = new LinkGuard({ db: catalog.db, now: () => new Date(0), calls });
  await guard.admit(agent, "a:1");
  using first = calls.open();
  first.belongsTo(agent);
  await assert.rejects(guard.admit(agent, "a:2"), { code: "busy", retryable: true });
  await guard.admit({ ...agent, id: "a2" }, "a:3");
  first.end(new Error("cut"));
  await guard.admit(agent, "a:4");
  assert.deepEqual(await catalog.db.all(events), []);
});

test("LinkGuard.admit() tells of a copied machine after a minute, once an hour", async () => {
  await using catalog = await openScratchCatalog();
  const clock = { at: 0 };
  const calls = new OpenCalls();
  const guard = new LinkGuard({ db: catalog.db, now: () => new Date(clock.at), calls });
  using first = calls.open();
  first.belongsTo(agent);
  const told: number[] = [];
  for (const at of [0, 30_000, 59_999, 60_000, 90_000, 3_659_999, 3_660_000]) {
    clock.at = at;
    const before = (await catalog.db.all(events)).length;
    await assert.rejects(guard.admit(agent, "10.0.0.7:1"), { code: "busy" });
    if ((await catalog.db.all(events)).length > before) told.push(at);
  }
  assert.deepEqual(told, [60_000, 3_660_000]);
  const [row] = await catalog.db.all(events);
  assert.match(String(row?.["body"]), /"agent_duplicated".*10\.0\.0\.7:1/);
});
