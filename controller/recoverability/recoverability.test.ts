import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { predict, recoverability } from "./recoverability.ts";
import type { Copy, Coverage } from "./recoverability.ts";

const at = (seconds: number) => new Date(Date.UTC(2026, 0, 1) + seconds * 1000);
const hour = 3600;
const goal = { rpoSeconds: 26 * hour, plannedSeconds: 24.5 * hour };
const day = 24 * hour;

const table: [title: string, coverage: Coverage, now: number, state: string, level: string][] = [
  ["without a policy", { firstSeenAt: at(0), agentSeenAt: at(0) }, 9, "unmanaged", "none"],
  ["just born", { firstSeenAt: at(0), agentSeenAt: at(9), goal }, 9, "warning", "none"],
  [
    "never backed up, older than its RPO",
    { firstSeenAt: at(0), agentSeenAt: at(27 * hour), goal },
    27 * hour,
    "violated",
    "none",
  ],
  [
    "backed up",
    { firstSeenAt: at(0), agentSeenAt: at(day), newestAt: at(0), goal },
    day,
    "ok",
    "stored",
  ],
  [
    "verified",
    { firstSeenAt: at(0), agentSeenAt: at(day), newestAt: at(9), verifiedAt: at(9), goal },
    day,
    "ok",
    "verified",
  ],
  [
    "of which only an older backup was verified",
    { firstSeenAt: at(0), agentSeenAt: at(day), newestAt: at(9), verifiedAt: at(0), goal },
    day,
    "ok",
    "stored",
  ],
  [
    "at the planned age",
    { firstSeenAt: at(0), agentSeenAt: at(24.5 * hour), newestAt: at(0), goal },
    24.5 * hour,
    "ok",
    "stored",
  ],
  [
    "past the planned age",
    { firstSeenAt: at(0), agentSeenAt: at(25 * hour), newestAt: at(0), goal },
    25 * hour,
    "warning",
    "stored",
  ],
  [
    "past the RPO",
    { firstSeenAt: at(0), agentSeenAt: at(27 * hour), newestAt: at(0), goal },
    27 * hour,
    "violated",
    "stored",
  ],
  [
    "with a silent agent",
    { firstSeenAt: at(0), agentSeenAt: at(0), newestAt: at(0), goal },
    61,
    "warning",
    "stored",
  ],
  [
    "with an agent never heard",
    { firstSeenAt: at(0), newestAt: at(0), goal },
    61,
    "warning",
    "stored",
  ],
];
for (const [title, coverage, now, state, level] of table)
  test(`recoverability() of a database ${title} is ${state}, ${level}`, () => {
    const result = recoverability(coverage, at(now));
    assert.deepEqual([result.state, result.level], [state, level]);
  });

test("recoverability() says since when an agent is silent", () => {
  const coverage = { firstSeenAt: at(0), agentSeenAt: at(5), newestAt: at(0), goal };
  assert.match(recoverability(coverage, at(100)).reason, /agent silent since 2026-01-01T00:00:05/);
});

const copy = (repositoryUrl: string, seconds?: number): Copy =>
  seconds === undefined
    ? { repositoryUrl }
    : { repositoryUrl, newest: { backup: "b", at: at(seconds), verified: false } };

test("recoverability() warns when one of several repositories has nothing within the RPO", () => {
  const seen = { firstSeenAt: at(0), agentSeenAt: at(30 * hour), newestAt: at(29 * hour), goal };
  const judge = (...copies: Copy[]) => recoverability({ ...seen, copies }, at(30 * hour));
  const both = judge(copy("a", 29 * hour), copy("b", 4 * hour));
  assert.deepEqual([both.state, both.copies], ["ok", { good: 2, wanted: 2 }]);
  const late = judge(copy("a", 29 * hour), copy("b", 4 * hour - 1));
  assert.deepEqual([late.state, late.copies], ["warning", { good: 1, wanted: 2 }]);
  assert.match(late.reason, /^copies: 1 of 2, the last in b of 2026-01-01T03:59:59/);
  assert.match(judge(copy("a", 29 * hour), copy("b")).reason, /^copies: 1 of 2, none in b$/);
  // Where one is enough, its age says it all.
  const one = judge(copy("a"));
  assert.deepEqual([one.state, one.copies], ["ok", { good: 0, wanted: 1 }]);
});

const moment = fc.integer({ min: 0, max: 10 * day }).map(at);
const anyCoverage: fc.Arbitrary<Coverage> = fc.record({
  firstSeenAt: moment,
  agentSeenAt: fc.option(moment, { nil: undefined }),
  newestAt: fc.option(moment, { nil: undefined }),
  verifiedAt: fc.constant(undefined),
  copies: fc.array(
    fc.integer({ min: 0, max: 10 * day }).map((seconds) => copy("r", seconds)),
    { maxLength: 3 },
  ),
  goal: fc.record({
    rpoSeconds: fc.integer({ min: 60, max: 2 * day }),
    plannedSeconds: fc.integer({ min: 60, max: 3 * day }),
  }),
});

test("predict() names the last moment before each state, for all facts", () => {
  fc.assert(
    fc.property(anyCoverage, (coverage) => {
      const { warningAt, violatedAt } = predict(coverage);
      assert.ok(warningAt !== undefined && violatedAt !== undefined);
      const after = (date: Date) => new Date(date.getTime() + 1);
      assert.notEqual(recoverability(coverage, violatedAt).state, "violated");
      assert.equal(recoverability(coverage, after(violatedAt)).state, "violated");
      assert.notEqual(recoverability(coverage, after(warningAt)).state, "ok");
      if (coverage.newestAt !== undefined)
        assert.equal(recoverability(coverage, warningAt).state, "ok");
    }),
  );
});

test("recoverability() is never ok without a backup, or with a silent agent, whatever the facts", () => {
  fc.assert(
    fc.property(anyCoverage, moment, (coverage, now) => {
      if (recoverability(coverage, now).state !== "ok") return;
      assert.ok(coverage.newestAt !== undefined);
      const heard = coverage.agentSeenAt ?? coverage.firstSeenAt;
      assert.ok(now.getTime() - heard.getTime() <= 60_000);
    }),
  );
});
