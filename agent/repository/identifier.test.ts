import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { newBackupId, newRandomId, randomIdPattern, timedIdPattern } from "./identifier.ts";
import { manifestKey, mapKey, parseManifestKey } from "./object-key.ts";

const dates = fc.date({ min: new Date(0), max: new Date("9999-12-31"), noInvalidDate: true });

test("newBackupId() makes ids that sort by their second", () => {
  assert.match(
    newBackupId(new Date("2026-11-20T10:15:30.999Z"), undefined),
    /^20261120T101530Z-.{8}$/,
  );
  fc.assert(
    fc.property(dates, dates, (a, b) => {
      const [first, second] = [newBackupId(a, undefined), newBackupId(b, undefined)];
      assert.match(first, timedIdPattern);
      if (Math.floor(+a / 1000) < Math.floor(+b / 1000)) assert.ok(first < second);
      const [time] = newBackupId(a, second).split("-");
      assert.equal(time, (first < second ? second : first).split("-")[0]);
    }),
  );
});

test("newRandomId() never gives an id twice", () => {
  const ids = Array.from({ length: 1000 }, newRandomId);
  assert.equal(new Set(ids).size, 1000);
  for (const id of ids) assert.match(id, randomIdPattern);
});

test("parseManifestKey() knows the keys of manifests from all others", () => {
  const backup = { instance: "7312", id: "20261120T101530Z-k3v9x0ap" };
  assert.deepEqual(parseManifestKey(manifestKey(backup)), backup);
  for (const key of [
    mapKey(backup, 0),
    `${manifestKey(backup)}/x`,
    `x/${manifestKey(backup)}`,
    "7312/backups/20261120T101530Z/manifest",
    "7312/backups/20261120T101530Z-K3V9X0AP/manifest",
    ".7312/backups/20261120T101530Z-k3v9x0ap/manifest",
    "repository.json",
    "",
  ])
    assert.equal(parseManifestKey(key), undefined, key);
});
