import assert from "node:assert/strict";
import { test } from "node:test";
import { type EpochFacts, type EpochState, judgeEpoch } from "./judge-epoch.ts";

const now = new Date("2027-03-01T00:00:00.000Z");
const ago = (days: number) => new Date(+now - days * 24 * 3600 * 1000);
const gone = { isCurrent: false, isForked: false };

/** An epoch that its host has left long ago. */
const facts: EpochFacts = {
  firstSeen: ago(50),
  unchangedSince: ago(20),
  created: ago(51),
  running: [],
  signers: [gone],
  isRetired: false,
  isIncomplete: false,
};

const open = (why: string, days: number) => ({ closed: false, why, until: ago(-days) });

test("judgeEpoch() closes an epoch only when nobody can be in it", () => {
  const cases: [what: string, change: Partial<EpochFacts>, state: EpochState | object][] = [
    ["its host has gone on", {}, { closed: true, why: "succeeded" }],
    ["changed half a day ago", { unchangedSince: ago(0.5) }, open("changed", 0.5)],
    ["unchanged for a day", { unchangedSince: ago(1) }, { closed: true, why: "succeeded" }],
    ["a backup runs for six days", { running: [ago(9), ago(6)] }, open("running", 1)],
    ["a backup has run for seven", { running: [ago(7)] }, { closed: true, why: "succeeded" }],
    [
      "a backup is missing",
      { isIncomplete: true, unchangedSince: ago(90) },
      { closed: false, why: "incomplete", until: undefined },
    ],
    [
      "a backup is missing, and an operator has spoken",
      { isIncomplete: true, isRetired: true },
      { closed: true, why: "retired" },
    ],
    ["no backup in it", { signers: [] }, open("unknown-host", 40)],
    ["its host's newest", { signers: [gone, { ...gone, isCurrent: true }] }, open("current", 40)],
    ["two hosts", { signers: [{ ...gone, isForked: true }, gone] }, open("forked", 40)],
    ["30 days old", { created: ago(30), firstSeen: ago(29) }, open("young", 1)],
    ["seen for 30 days", { created: undefined, firstSeen: ago(30) }, open("young", 1)],
    [
      "older than its seeing",
      { created: ago(31), firstSeen: ago(2) },
      { closed: true, why: "succeeded" },
    ],
    [
      "seen before it was copied",
      { created: ago(2), firstSeen: ago(31) },
      { closed: true, why: "succeeded" },
    ],
    ["silent for 59 days", { unchangedSince: ago(59), signers: [] }, open("unknown-host", 1)],
    ["silent for 60", { unchangedSince: ago(60), signers: [] }, { closed: true, why: "unchanged" }],
    [
      "silent for 60, and its host's newest",
      { unchangedSince: ago(60), signers: [{ isCurrent: true, isForked: true }] },
      { closed: true, why: "unchanged" },
    ],
    [
      "retired",
      { isRetired: true, signers: [], running: [ago(1)] },
      { closed: true, why: "retired" },
    ],
    ["retired, but in use", { isRetired: true, unchangedSince: ago(0) }, open("changed", 1)],
  ];
  for (const [what, change, state] of cases)
    assert.deepEqual(judgeEpoch({ ...facts, ...change }, now), state, what);
});
