import assert from "node:assert/strict";
import { test } from "node:test";
import { startFleet } from "./fixtures/fleet.ts";
import { joinSimulatedFleet } from "./fixtures/simulated-fleet.ts";

test("backup --all of 20 hosts does each of 100 backups once, and at most 16 at once for one repository", async () => {
  await using fleet = await startFleet();
  await using simulated = await joinSimulatedFleet(fleet, {
    agents: 20,
    databases: 5,
    jobMs: 1_000,
  });
  const { jobs } = await fleet.dbctl.ok("backup", "--all", "--wait");
  const states = (jobs as { database: string; state: string }[]).map(({ state }) => state);
  assert.deepEqual(
    states,
    Array.from({ length: 100 }, () => "succeeded"),
  );
  const { done, peak, active } = simulated.workload;
  assert.deepEqual({ done, active }, { done: 100, active: 0 });
  // Without the budget all 20 hosts would work; on a busy machine not every place is always taken.
  assert.ok(peak <= 16 && peak >= 12, `${peak} at once`);
});
