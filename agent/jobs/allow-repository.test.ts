import assert from "node:assert/strict";
import { test } from "node:test";
import { allowRepository } from "./allow-repository.ts";

test("allowRepository() allows what is named and what is below it, and all when nothing is", () => {
  allowRepository("file:///anywhere", undefined);
  allowRepository("file:///backups", ["file:///backups"]);
  allowRepository("file:///backups/pg", ["file:///other", "file:///backups"]);
});

for (const url of [
  "file:///backups2",
  "file:///backups/../etc",
  "file:///backups/%2e%2e/etc",
  "s3://backups/x",
  "nonsense",
])
  test(`allowRepository() refuses ${url}`, () => {
    assert.throws(() => allowRepository(url, ["file:///backups"]), { code: "access-denied" });
  });
