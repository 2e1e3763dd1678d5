import assert from "node:assert/strict";
import { test } from "node:test";
import type { Catalog, CatalogRow, Dependency } from "./catalog.ts";
import type { Draft } from "./draft.ts";
import { settleUnsupported } from "./settle-unsupported.ts";

function row(key: string): [string, CatalogRow] {
  return [key, { key, type: "thing", identity: key, target: key }];
}

function catalogOf(keys: string[], dependencies: Dependency[], parts: string[] = []): Catalog {
  const own = new Map(keys.map(row));
  const session = { query: () => Promise.reject(new Error("not asked")) };
  return {
    session,
    own,
    all: own,
    members: new Set(),
    parts: new Set(parts),
    dependencies,
    unknown: [],
  };
}

function draft(name: string, more: Partial<Draft> = {}): Draft {
  return { kind: "thing", name, section: "pre-data", statements: [name], rows: [name], ...more };
}

test("settleUnsupported() names what no draft makes, and what needs that, however far", () => {
  const dependencies = [
    { from: "near", to: "gap", type: "n" },
    { from: "far", to: "near", type: "n" },
  ];
  const catalog = catalogOf(["gap", "near", "far", "free"], dependencies);
  const drafts = [draft("near"), draft("far"), draft("free")];
  const settled = settleUnsupported(catalog, drafts);
  assert.deepEqual(
    settled.drafts.map(({ name }) => name),
    ["free"],
  );
  assert.deepEqual(
    settled.unsupported.map(({ name }) => name),
    ["gap", "near", "far"],
  );
});

test("settleUnsupported() drops the attributes of what is unsupported with it", () => {
  const comment = draft("comment", { rows: [], needs: ["gap"], attribute: true });
  const settled = settleUnsupported(catalogOf(["gap"], []), [comment]);
  assert.deepEqual(settled.drafts, []);
  assert.deepEqual(
    settled.unsupported.map(({ name }) => name),
    ["gap"],
  );
});

test("settleUnsupported() takes the internal parts of what is made as made", () => {
  const dependencies = [{ from: "part", to: "whole", type: "i" }];
  const catalog = catalogOf(["whole", "part"], dependencies, ["part"]);
  assert.deepEqual(settleUnsupported(catalog, [draft("whole")]).unsupported, []);
  assert.deepEqual(
    settleUnsupported(catalog, []).unsupported.map(({ name }) => name),
    ["whole"],
  );
});
