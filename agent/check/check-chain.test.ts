import assert from "node:assert/strict";
import { test } from "node:test";
import { checkChain, type ChainLink, type ChainOptions } from "./check-chain.ts";

const idOf = (name: string) => `20261120T100000Z-${name.repeat(8)}`;
const hashOf = (name: string) => name.repeat(64);

/** A manifest of that name and number, which follows another one. */
function link(name: string, sequence: number, previous?: string, signer = "host"): ChainLink {
  const before = previous === undefined ? null : { id: idOf(previous), hash: hashOf(previous) };
  return {
    instance: "7312",
    id: idOf(name),
    signer,
    sequence,
    previous: before,
    hash: hashOf(name),
  };
}

function check(links: ChainLink[], options: Partial<ChainOptions> = {}): string[] {
  const found = checkChain(links, { removed: new Map(), isPartialCopy: false, ...options });
  return found.map(({ kind, severity, object }) => {
    const name = object.split("/").at(-2)?.at(-1);
    return `${severity === "note" ? "note: " : ""}${kind} ${name}`;
  });
}

test("checkChain() finds nothing in chains of several hosts and numbers with gaps", () => {
  const links = [
    link("a", 1),
    link("b", 4, "a"),
    link("c", 5, "b"),
    link("d", 1, undefined, "other"),
  ];
  assert.deepEqual(check(links), []);
});

test("checkChain() misses what somebody followed, unless a prune or a copy explains it", () => {
  const links = [link("a", 1), link("c", 3, "b")];
  assert.deepEqual(check(links), ["missing b"]);
  assert.deepEqual(check(links, { isPartialCopy: true }), ["note: missing b"]);
  const removed = new Map([[idOf("b"), link("b", 2, "a")]]);
  assert.deepEqual(check(links, { removed }), []);
  const other = new Map([[idOf("b"), { ...link("b", 2), hash: hashOf("x") }]]);
  assert.deepEqual(check(links, { removed: other }), ["replayed b"]);
});

test("checkChain() names a manifest that is not the one that was followed", () => {
  assert.deepEqual(check([{ ...link("a", 1), hash: hashOf("x") }, link("b", 2, "a")]), [
    "replayed a",
  ]);
});

test("checkChain() names a manifest that follows a later one, or another host's", () => {
  assert.deepEqual(check([link("a", 3), link("b", 2, "a")]), ["broken-chain b"]);
  assert.deepEqual(check([link("a", 1, undefined, "other"), link("b", 2, "a")]), [
    "broken-chain b",
  ]);
});

test("checkChain() names every backup that shares its number, with removed ones, too", () => {
  const links = [link("a", 1), link("b", 2, "a"), link("c", 2, "a")];
  assert.deepEqual(check(links), ["forked b", "forked c"]);
  const removed = new Map([[idOf("c"), link("c", 2, "a")]]);
  assert.deepEqual(check(links.slice(0, 2), { removed }), ["forked b"]);
});

test("checkChain() tells two lines from a backup whose host was killed before it knew", () => {
  const unknown = [link("a", 1), link("b", 2, "a"), link("c", 3, "a"), link("d", 4, "c")];
  assert.deepEqual(check(unknown), []);
  assert.deepEqual(check([...unknown, link("e", 5, "b")]), ["forked b"]);
});
