import assert from "node:assert/strict";
import { test } from "node:test";
import type { ListedBackup } from "../retention/list-stored-backups.ts";
import { type DecidedGroup, judgeAgain } from "./judge-again.ts";

const now = new Date("2026-11-20T10:00:00.000Z");
const day = 24 * 3600_000;

/** A good backup so many days ago, by the store's clock. */
function stored(id: string, days: number, changes: Partial<ListedBackup> = {}): ListedBackup {
  const committed = new Date(+now - days * day);
  const facts = { kind: "logical", state: "complete", verified: false, proved: false } as const;
  const place = { instance: "7312", database: "7312/shop", name: "db1/shop" };
  return {
    id,
    committed,
    finished: committed,
    ...facts,
    ...place,
    tags: [],
    packs: [],
    stored: 1,
    ...changes,
  };
}

const decided = (kept: string[], going: string[], keepLast = 1): DecidedGroup => ({
  rules: [{ keepLast }],
  decisions: [...kept, ...going].map((id) => ({
    id,
    kept: kept.includes(id),
    verified: false,
    damaged: false,
  })),
});

function goingOf(backups: ListedBackup[], ...groups: DecidedGroup[]): string[] {
  const decisions = judgeAgain(backups, groups, now);
  return decisions.filter(({ kept }) => !kept).map(({ backup }) => backup.id);
}

const five = ["a", "b", "c", "d", "e"].map((id, n) => stored(id, 9 - n));

test("judgeAgain() lets go what the controller and the repository let go", () => {
  assert.deepEqual(goingOf(five, decided(["d", "e"], ["a", "b", "c"], 2)), ["a", "b", "c"]);
});

test("judgeAgain() keeps what a rule keeps, whatever a controller says", () => {
  const all = decided([], ["a", "b", "c", "d", "e"], 2);
  assert.deepEqual(goingOf(five, all), ["a", "b", "c"]);
});

test("judgeAgain() keeps the newest good backup, the young, and what the store took at no known time", () => {
  const all = decided([], ["a", "y", "u", "n"], 1);
  const backups = [stored("a", 9), stored("u", 8, { committed: undefined }), stored("n", 3)];
  assert.deepEqual(goingOf([...backups, stored("y", 0.5, { state: "partial" })], all), ["a"]);
});

test("judgeAgain() keeps what the controller keeps, and what it does not know", () => {
  assert.deepEqual(goingOf(five, decided(["b", "e"], ["a", "c"])), ["a", "c"]);
});

test("judgeAgain() keeps all without a rule, and what is held", () => {
  assert.deepEqual(goingOf(five, { ...decided([], ["a"]), rules: [] }), []);
  const held = [stored("a", 9, { hold: "case 7" }), ...five.slice(1)];
  assert.deepEqual(goingOf(held, decided(["e"], ["a", "b"])), ["b"]);
});

test("judgeAgain() keeps what any of two rules of one database keeps", () => {
  const groups = [decided(["e"], ["a", "b"], 1), decided([], ["c", "d"], 3)];
  assert.deepEqual(goingOf(five, ...groups), ["a", "b"]);
});

test("judgeAgain() keeps the newest whole backup, and does not take a controller's word for damage", () => {
  const damage = (group: DecidedGroup, ...ids: string[]): DecidedGroup => ({
    ...group,
    decisions: group.decisions.map((one) => ({ ...one, damaged: ids.includes(one.id) })),
  });
  const all = decided([], ["a", "b", "c", "d", "e"]);
  assert.deepEqual(goingOf(five, damage(all, "e")), ["a", "b", "c"]);
  const two = decided([], ["a", "b", "c", "d", "e"], 2);
  assert.deepEqual(goingOf(five, damage(two, "d")), ["a", "b"]);
});
