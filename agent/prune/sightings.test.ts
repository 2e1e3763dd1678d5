import assert from "node:assert/strict";
import { test } from "node:test";
import { Sightings } from "./sightings.ts";

const now = new Date("2026-11-20T10:00:00.000Z");

test("a server with many objects takes no other server's share of the record", () => {
  const sightings = new Sightings(undefined, now);
  for (let n = 0; n < 100; n++) sightings.since(`many/${n}`);
  for (let n = 0; n < 20; n++) sightings.since(`some/${n}`);
  for (let n = 0; n < 3; n++) sightings.since(`few/${n}`);
  sightings.shrink(30);
  const keys = sightings.record().flatMap(({ objects }) => objects);
  const count = (server: string) => keys.filter((key) => key.startsWith(`${server}/`)).length;
  assert.deepEqual([count("many"), count("some"), count("few")], [14, 13, 3]);
});

test("what was seen first stays in the record, and what is forgotten is not seen", () => {
  const since = "2026-11-19T10:00:00.000Z";
  const seen = [{ since, objects: ["a/8", "a/9"] }];
  const sightings = new Sightings({ seen }, now);
  for (const key of ["a/1", "a/9", "a/8", "a/2"]) sightings.since(key);
  sightings.shrink(3);
  assert.deepEqual(sightings.record(), [
    { since, objects: ["a/8", "a/9"] },
    { since: now.toISOString(), objects: ["a/1"] },
  ]);
  assert.equal(sightings.isSeen("a/2"), false);
});
