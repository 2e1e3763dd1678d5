import assert from "node:assert/strict";
import { test } from "node:test";
import { property, assert as check, uniqueArray, nat, array, tuple } from "fast-check";
import { DbctlError } from "../../../core/errors.ts";
import type { Dependency } from "./catalog.ts";
import type { Draft } from "./draft.ts";
import { orderDrafts } from "./order-drafts.ts";

function draft(name: string, more: Partial<Draft> = {}): Draft {
  return { kind: "thing", name, section: "pre-data", statements: [name], rows: [name], ...more };
}

function needs(...pairs: string[]): Dependency[] {
  return pairs.map((pair) => {
    const [from = "", to = ""] = pair.split(" ");
    return { from, to, type: "n" };
  });
}

const places = (ordered: Draft[]) => ordered.map(({ section, name }) => `${section} ${name}`);

test("orderDrafts() puts what is needed first, then goes by name, whatever the order before", () => {
  const drafts = ["c", "a", "d", "b"].map((name) => draft(name));
  const expected = ["pre-data d", "pre-data a", "pre-data b", "pre-data c"];
  assert.deepEqual(places(orderDrafts(drafts, needs("a d"))), expected);
  assert.deepEqual(places(orderDrafts(drafts.toReversed(), needs("a d"))), expected);
});

test("orderDrafts() keeps every dependency of any graph without cycles", () => {
  const graphs = tuple(uniqueArray(nat(40)), array(tuple(nat(40), nat(40))));
  check(
    property(graphs, ([names, edges]) => {
      const drafts = names.map((name) => draft(`n${name}`));
      // From greater to smaller only: no cycle.
      const downward = edges.filter(([a, b]) => a > b).map(([a, b]) => `n${a} n${b}`);
      const order = orderDrafts(drafts, needs(...downward)).map(({ name }) => name);
      assert.equal(order.length, names.length);
      for (const pair of downward) {
        const [from = "", to = ""] = pair.split(" ");
        if (order.includes(from) && order.includes(to))
          assert.ok(order.indexOf(to) < order.indexOf(from));
      }
    }),
  );
});

test("orderDrafts() cuts a cycle at a view: first its shape, at the end its query", () => {
  const view = draft("view", { rows: ["pg_class:v", "pg_rewrite:r"], stub: ["stub"] });
  const routine = draft("routine");
  const ordered = orderDrafts([view, routine], needs("pg_rewrite:r routine", "routine pg_class:v"));
  assert.deepEqual(
    ordered.map(({ section, statements }) => [section, ...statements]),
    [
      ["pre-data", "stub"],
      ["pre-data", "routine"],
      ["post-data", "view"],
    ],
  );
});

test("orderDrafts() names the objects of a cycle that it cannot cut", () => {
  assert.throws(
    () => orderDrafts([draft("a"), draft("b"), draft("c")], needs("a b", "b a")),
    (error) =>
      error instanceof DbctlError &&
      error.code === "object-unsupported" &&
      error.message === "Cannot order objects: they need each other: thing a, thing b",
  );
});

test("orderDrafts() moves what needs a key to the end, with what needs that", () => {
  const key = draft("key", { section: "index" });
  const ordered = orderDrafts(
    [draft("routine"), draft("user"), key],
    needs("routine key", "user routine"),
  );
  assert.deepEqual(places(ordered), ["index key", "post-data routine", "post-data user"]);
});

test("orderDrafts() refuses a table that needs what comes after its data", () => {
  const key = draft("key", { section: "index" });
  const table = draft("table", { kind: "table" });
  assert.throws(() => orderDrafts([key, table], needs("table key")), /Cannot order table table/);
});
