import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { JobSchema, JobSpecSchema } from "../../proto/gen/dbctl/v1/jobs_pb.ts";
import type { JobRecord } from "./job-record.ts";
import { orderQueue } from "./order-queue.ts";

type Kind = "backup" | "restore" | "verify";
const hour = 3_600_000;

/** A queued job; its database has its id as name. */
function queued(id: string, kind: Kind, createdAt: number): JobRecord {
  const spec = create(JobSpecSchema, { kind: { case: kind, value: {} } });
  const at = timestampFromDate(new Date(createdAt));
  const job = create(JobSchema, { id, database: id, spec, createdAt: at });
  const counts = { fencingToken: 0, maxAttempts: 1, retryDelaySeconds: 0 };
  return { job, spec, ...counts, policy: "", cancelRequestedBy: "" };
}

function order(jobs: JobRecord[], violations: Record<string, number>): string {
  const violatedAt = (name: string) => {
    const at = violations[name];
    return at === undefined ? undefined : new Date(at);
  };
  return orderQueue(jobs, violatedAt)
    .map(({ job }) => job.id)
    .join(" ");
}

const table: [title: string, jobs: JobRecord[], violations: Record<string, number>, ids: string][] =
  [
    ["restores first", [queued("a", "backup", 0), queued("b", "restore", hour)], {}, "b a"],
    [
      "then what breaks its RPO first",
      [queued("a", "backup", 0), queued("b", "backup", 1)],
      { a: 9 * hour, b: 8 * hour },
      "b a",
    ],
    [
      "then the oldest",
      [queued("b", "backup", 1), queued("a", "backup", 0), queued("c", "backup", 2)],
      {},
      "a b c",
    ],
    [
      "what has waited for a day before what has time",
      [queued("a", "backup", 20 * hour), queued("b", "verify", 0)],
      { a: 30 * hour },
      "b a",
    ],
    [
      "what breaks before a verification has waited for a day",
      [queued("a", "verify", 0), queued("b", "backup", 20 * hour)],
      { b: 21 * hour },
      "b a",
    ],
  ];
for (const [title, jobs, violations, ids] of table)
  test(`orderQueue() puts ${title}`, () => {
    assert.equal(order(jobs, violations), ids);
  });

test("orderQueue() gives one order, whatever the order it is given", () => {
  const kind = fc.constantFrom<Kind>("backup", "restore", "verify");
  const job = fc.record({ kind, at: fc.nat({ max: 3 }), breaks: fc.nat({ max: 3 }) });
  const seed = fc.infiniteStream(fc.nat());
  fc.assert(
    fc.property(fc.array(job, { maxLength: 8 }), seed, (jobs, chance) => {
      const records = jobs.map((one, index) => queued(`j${index}`, one.kind, one.at));
      const violations = Object.fromEntries(jobs.map((one, index) => [`j${index}`, one.breaks]));
      const keys = new Map(records.map((record) => [record, Number(chance.next().value)]));
      const mixed = records.toSorted((a, b) => (keys.get(a) ?? 0) - (keys.get(b) ?? 0));
      assert.equal(order(mixed, violations), order(records, violations));
    }),
  );
});
