import assert from "node:assert/strict";
import { test } from "node:test";
import { type EpochFacts, judgeEpoch } from "./judge-epoch.ts";

const dayMs = 24 * 3600 * 1000;
const now = new Date("2026-11-20T10:00:00.000Z");
const ago = (days: number) => new Date(+now - days * dayMs);

/** An epoch that its only host has left long ago. */
const left: EpochFacts = {
  firstSeen: ago(50),
  unchangedSince: ago(10),
  created: ago(50),
  running: [],
  signers: [{ isCurrent: false, isForked: false }],
  isRetired: false,
};

function why(changes: Partial<EpochFacts>): string {
  return judgeEpoch({ ...left, ...changes }, now).why;
}

test("an epoch that its host has left is closed, unless anything speaks against it", () => {
  assert.equal(why({}), "succeeded");
  assert.equal(why({ unchangedSince: ago(0.9) }), "changed");
  assert.equal(why({ running: [ago(6.9)] }), "running");
  assert.equal(why({ running: [ago(7.1), ago(20)] }), "succeeded");
  assert.equal(why({ signers: [] }), "unknown-host");
  assert.equal(
    why({ signers: [...left.signers, { isCurrent: true, isForked: false }] }),
    "current",
  );
  assert.equal(why({ signers: [{ isCurrent: false, isForked: true }] }), "forked");
  assert.equal(why({ firstSeen: ago(30.9), created: ago(30.9) }), "young");
  assert.equal(why({ firstSeen: ago(30.9), created: undefined }), "young");
});

test("an epoch that nobody has touched for twice its longest life is closed whatever else", () => {
  const other = { running: [ago(1)], signers: [{ isCurrent: true, isForked: true }] };
  assert.equal(why({ ...other, unchangedSince: ago(60) }), "unchanged");
  assert.equal(why({ ...other, unchangedSince: ago(59.9) }), "running");
});

test("an operator's word closes an epoch that nothing was added to since yesterday", () => {
  assert.equal(
    why({ isRetired: true, signers: [{ isCurrent: true, isForked: false }] }),
    "retired",
  );
  assert.equal(why({ isRetired: true, unchangedSince: ago(0.9) }), "changed");
});
