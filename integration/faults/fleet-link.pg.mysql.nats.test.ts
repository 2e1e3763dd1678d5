import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { ToldEvent } from "../../controller/bus/fleet-event.ts";
import { startCuttableLink } from "../fixtures/cuttable-link.ts";
import { waitFor } from "../fixtures/fleet.ts";
import { startNats } from "../fixtures/nats-server.ts";
import { type FleetUnderFire, consumeAll, startFleetUnderFire } from "./fleet-under-fire.ts";

/** How long the network is silent. */
const cutSeconds = Number(process.env["DBCTL_CUT_SECONDS"] ?? 8);
/** Longer than the cut: what becomes of lost jobs is the other test's matter. */
const leaseSeconds = 2 * cutSeconds + 60;

test(`a link that is silent for ${cutSeconds} s stops no backup, and its events come once, in order`, async () => {
  await using link = await startCuttableLink();
  await using nats = await startNats();
  await using site = await startFleetUnderFire({
    nats: nats.url,
    controllerArgs: ["--advertise", link.address, "--lease-seconds", String(leaseSeconds)],
    rows: 60_000,
    onController: ({ address }) => link.leadTo(address),
  });
  const { dbctl } = site.fleet;
  await site.write();
  await dbctl.ok("backup", "db1/shop", "db2/blog");
  await waitFor("two running backups", async () => (await countJobs(site, "running")) === 2);
  link.cut();
  const cutAt = performance.now();

  await waitFor("the end of both backups", async () => {
    const { backups } = await dbctl.ok("backups", "ls", "--repo", dbctl.repo);
    return (backups as unknown[]).length === 2;
  });
  await sleep(cutSeconds * 1000 - (performance.now() - cutAt));
  assert.equal(await countJobs(site, "succeeded"), 0, "nobody can know of it yet");
  link.mend();

  await waitFor("success of both jobs", async () => (await countJobs(site, "succeeded")) === 2);
  await waitFor("an empty outbox", async () => {
    const row = await site.db.one("select count(*) as n from outbox where published_at is null");
    return row?.["n"] === 0;
  });
  await assertStory(site, nats.url);
  for (const { id } of await site.db.all("select id from backups"))
    await dbctl.ok("verify", String(id), "--repo", dbctl.repo, "--identity", dbctl.identity);
});

async function countJobs({ db }: FleetUnderFire, state: string): Promise<number> {
  const row = await db.one("select count(*) as n from jobs where state = :state", { state });
  return Number(row?.["n"]);
}

/** Each backup was begun and completed, in the first attempt; the bus has just what happened. */
async function assertStory({ db }: FleetUnderFire, nats: string): Promise<void> {
  const outbox = await db.all("select id, subject, body from outbox order by position");
  const messages = await consumeAll(nats);
  assert.deepEqual(messages, outbox);
  const told = messages.map(({ body }) => JSON.parse(body) as ToldEvent);
  for (const host of ["db1", "db2"])
    assert.deepEqual(
      told
        .filter((event) => event.host === host && event.type.startsWith("backup_"))
        .map(({ type, details }) => [type, details["attempt"]]),
      [
        ["backup_started", 1],
        ["backup_completed", 1],
      ],
    );
}
