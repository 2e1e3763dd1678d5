import assert from "node:assert/strict";
import { test } from "node:test";
import { nearestName } from "./nearest-name.ts";

test("nearestName() finds what was meant, and nothing that is far", () => {
  assert.equal(nearestName("shcedule", ["select", "schedule", "name"]), "schedule");
  assert.equal(nearestName("Retention", ["retention"]), "retention");
  assert.equal(nearestName("colour", ["select", "schedule", "name"]), undefined);
  assert.equal(nearestName("x", []), undefined);
});
