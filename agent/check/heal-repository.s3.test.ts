import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { type CephServer, startCeph } from "../../integration/fixtures/ceph-server.ts";
import { makeBucket, openAs, s3Url } from "../../integration/fixtures/s3-bucket.ts";
import {
  backUp,
  makeScratchRepository,
  readBack,
  signal,
} from "../../integration/fixtures/scratch-repository.ts";
import { syncRepository } from "../sync/sync-repository.ts";
import { checkRepository } from "./check-repository.ts";
import type { Finding } from "./finding.ts";
import { healRepository } from "./heal-repository.ts";

let ceph: CephServer;
before(async () => {
  ceph = await startCeph();
});
after(() => ceph[Symbol.asyncDispose]());

test("a copy in a bucket that keeps versions is checked, and healed from the source", async () => {
  await using scratch = await makeScratchRepository();
  const { repository, identity } = scratch;
  const streams = [[randomBytes(300_000)], [randomBytes(900_000)]];
  const { header } = await backUp(scratch, { streams, isLogical: true, packBytes: 500_000 });
  const store = await openAs(ceph.operator, s3Url(ceph, await makeBucket(ceph, "versioned")));
  const what = { from: scratch.store, to: store, repository, filter: {}, parallel: 4, by: "test" };
  const how = { isDryRun: false, deletesExtraneous: false, onBytes: () => {} };
  const at = new Date();
  assert.deepEqual((await syncRepository({ ...what, ...how, at, signal })).failures, []);
  const check = async (): Promise<Finding[]> => {
    const request = { store, repository, identity, depth: { kind: "full" as const }, signal };
    for await (const event of checkRepository({ ...request, isPartialCopy: false }, { at }))
      if (event.kind === "finished") return event.result.findings;
    throw new Error("no result");
  };
  assert.deepEqual(await check(), []);
  const pack = `7312/packs/${header.epoch}/${header.packs[0]?.pack}`;
  const spoilt = Buffer.from(scratch.objects.get(pack) ?? []);
  spoilt[1000] = (spoilt[1000] ?? 0) ^ 1;
  await store.delete(pack, { signal });
  await store.put(pack, [spoilt], { signal });
  await store.delete(`7312/backups/${header.id}/map-0`, { signal });
  const findings = await check();
  // What the pack has to hold is known when the map is back.
  assert.deepEqual(
    findings.map(({ kind }) => kind),
    ["missing"],
  );
  const parts = { store, copy: scratch.store, repository, identity, isDryRun: false, signal };
  for (let found = findings; found.length > 0; found = await check()) {
    const healed = await Array.fromAsync(healRepository({ ...parts, findings: found }));
    assert.ok(healed.length > 0 && healed.every(({ state }) => state === "healed"));
  }
  const restored = await readBack({ ...scratch, store }, header);
  assert.deepEqual(
    restored,
    streams.map((stream) => Buffer.concat(stream)),
  );
});
