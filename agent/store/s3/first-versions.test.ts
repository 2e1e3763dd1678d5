import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  entriesOf,
  type Entry,
  firstVersions,
  groupByKey,
  parsePageToken,
  type VersionsOfKey,
} from "./first-versions.ts";

/** As a bucket lists them: keys in order, of each the newest first. */
const listing = fc
  .uniqueArray(fc.constantFrom("p/a", "p/a-b", "p/a/b", "p/b", "p/c"), { minLength: 1 })
  .chain((keys) =>
    fc.tuple(
      ...keys
        .toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
        .map((key) =>
          fc.array(fc.boolean(), { minLength: 1, maxLength: 6 }).map((marks) =>
            marks.map((isMarker, n): Entry => ({
              key,
              id: `${n}`,
              size: n,
              created: undefined,
              isMarker,
            })),
          ),
        ),
    ),
  );

test("firstVersions() of pages, wherever they are cut, are the last versions of each key", () => {
  fc.assert(
    fc.property(listing, fc.integer({ min: 1, max: 5 }), (keys, pageSize) => {
      const entries = keys.flat();
      const found: string[] = [];
      let open: VersionsOfKey | undefined;
      for (let at = 0; at < entries.length; at += pageSize) {
        const page = entries.slice(at, at + pageSize);
        const groups = groupByKey(page, open);
        const isLast = at + pageSize >= entries.length;
        open = isLast ? undefined : groups.pop();
        open = open && parsePageToken(JSON.stringify({ from: {}, open })).open;
        for (const one of firstVersions(groups, "p/"))
          found.push(`${one.key} ${one.versionId} ${one.later}`);
      }
      const expected = keys.flatMap((versions) => {
        const first = versions.findLast(({ isMarker }) => !isMarker);
        return first === undefined
          ? []
          : [`${first.key.slice(2)} ${first.id} ${versions.length - 1}`];
      });
      assert.deepEqual(found, expected);
    }),
  );
});

test("entriesOf() takes what a bucket without versions lists as the only version", () => {
  const created = new Date(0);
  const [entry] = entriesOf({
    Versions: [{ Key: "k", VersionId: "null", Size: 3, LastModified: created }],
  });
  assert.deepEqual(entry, { key: "k", id: "null", size: 3, created, isMarker: false });
});

test("parsePageToken() gives back dates", () => {
  const created = new Date("2026-11-20T10:00:00.123Z");
  const oldest: Entry = { key: "k", id: "1", size: 1, created, isMarker: false };
  const token = { from: { KeyMarker: "k" }, open: { key: "k", count: 2, oldest } };
  assert.deepEqual(parsePageToken(JSON.stringify(token)), token);
  assert.deepEqual(parsePageToken(undefined), { from: {} });
});
