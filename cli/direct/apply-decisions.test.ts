import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { day, makePruneScratch, type PruneScratch } from "../../agent/prune/prune-scratch.ts";
import { readAllMarks } from "../../agent/repository/read-all-marks.ts";
import {
  DecideDeletionsResponseSchema,
  type ReportBackupsRequestSchema,
} from "../../proto/gen/dbctl/v1/retention_pb.ts";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { applyDecisions, reportStates } from "./apply-decisions.ts";
import type { RetentionClient } from "./ask-retention.ts";

const { signal } = new AbortController();

/** Ten backups, one a day; a controller keeps the newest of them. */
async function makeHistory({ keepLast = 8, dailyLimit = 0 } = {}) {
  const of = await makePruneScratch();
  const ids: string[] = [];
  for (let n = 0; n < 10; n++) {
    ids.push((await of.backUp()).id);
    of.pass(day);
  }
  const decisions = ids.map((backupId, n) => ({ backupId, kept: n >= 10 - keepLast }));
  const rules = [`keep-last=${keepLast}`];
  const group = { database: "db1/shop", policy: "gold", rules, decisions, dailyLimit };
  const at = timestampFromDate(of.clock.now);
  const decided = create(DecideDeletionsResponseSchema, { at, groups: [group] });
  const opened = { store: of.store, repository: of.scratch.repository };
  const apply = (options: { overLimit?: boolean; confirm?: boolean; now?: Date } = {}) => {
    const how = { overLimit: false, confirm: true, now: of.clock.now, window: 86_400, ...options };
    return applyDecisions(opened, { ...how, decided, signal });
  };
  return { of, ids, decided, opened, apply };
}

async function deletedOf({ store, scratch }: PruneScratch): Promise<(string | undefined)[][]> {
  const marks = await readAllMarks(store, { repository: scratch.repository.id, signal });
  return [...marks].map(([name, { deleted }]) => [name.split("/")[1], deleted?.reason]);
}

test("applyDecisions() marks what controller and repository let go, with the policy as the reason", async () => {
  const { of, ids, apply } = await makeHistory();
  await using _ = of;
  const dry = await apply({ confirm: false });
  assert.deepEqual([dry.applied.deleted, await deletedOf(of)], [[], []]);
  const { applied, heldBack } = await apply();
  assert.deepEqual([applied.deleted, heldBack], [ids.slice(0, 2), []]);
  const reason = "not kept by policy gold (keep-last=8)";
  assert.deepEqual(
    await deletedOf(of),
    ids.slice(0, 2).map((id) => [id, reason]),
  );
});

test("applyDecisions() holds a database back of which too much would go, by either count", async () => {
  const byCatalog = await makeHistory({ dailyLimit: 1 });
  await using _ = byCatalog.of;
  const first = await byCatalog.apply();
  assert.deepEqual(first.heldBack, [{ database: "db1/shop", going: 2, limit: 1 }]);
  assert.deepEqual(await deletedOf(byCatalog.of), []);
  assert.equal((await byCatalog.apply({ overLimit: true })).applied.deleted.length, 2);
  const byRepository = await makeHistory({ keepLast: 7 });
  await using __ = byRepository.of;
  const { applied, heldBack } = await byRepository.apply();
  assert.deepEqual(
    [applied.deleted, heldBack.map(({ going, limit }) => [going, limit])],
    [[], [[3, 2]]],
  );
});

test("applyDecisions() refuses clocks of which one must be wrong", async () => {
  const { of, apply } = await makeHistory();
  await using _ = of;
  const now = new Date(+of.clock.now + day + 1);
  await assert.rejects(apply({ now }), { code: "failed", message: /the controller 2026-/ });
  assert.deepEqual(await deletedOf(of), []);
});

test("reportStates() tells of all that the catalog knows there", async () => {
  const { of, ids, decided, opened, apply } = await makeHistory();
  await using _ = of;
  await apply();
  const told: MessageInitShape<typeof ReportBackupsRequestSchema>[] = [];
  const client: Pick<RetentionClient, "reportBackups"> = {
    reportBackups: (request: MessageInitShape<typeof ReportBackupsRequestSchema>) => {
      told.push(request);
      return Promise.resolve({ $typeName: "dbctl.v1.ReportBackupsResponse", changed: 2 });
    },
  };
  const known = { ...decided, deletedIds: [ids[0] ?? "", "20260101T000000Z-k3v9x0ap"] };
  const changed = await reportStates(opened, { url: "u", decided: known, client, signal });
  assert.equal(changed, 2);
  const states = told.flatMap(({ backups = [] }) => backups.map(({ state }) => state?.case));
  const there = Array.from({ length: 8 }, () => "there");
  assert.deepEqual(states, ["deleted", "deleted", ...there, "missing"]);
});
