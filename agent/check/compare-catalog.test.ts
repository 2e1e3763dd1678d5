import assert from "node:assert/strict";
import { test } from "node:test";
import { signal } from "../../integration/fixtures/scratch-repository.ts";
import { removedKey } from "../repository/object-key.ts";
import { createMemoryStore } from "../store/memory/memory-store.ts";
import { compareCatalog } from "./compare-catalog.ts";

const idOf = (letter: string) => `20261120T100000Z-${letter.repeat(8)}`;
const ids = { a: idOf("a"), b: idOf("b"), c: idOf("c"), d: idOf("d"), x: idOf("x") };
const backup = (id: string) => ({
  instance: "7312",
  id,
  database: "h/shop",
  state: "complete" as const,
  ok: true,
  damagedTables: [],
  restorable: "whole" as const,
});
const known = (id: string, isRemoved = false) => ({ instance: "7312", id, isRemoved });

test("compareCatalog() names what only one side has, but for what a prune has removed", async () => {
  const removed = removedKey({ instance: "7312", id: ids.d });
  const store = createMemoryStore(new Map([[removed, Buffer.from("{}")]]));
  const compare = async (isWhole: boolean) => {
    const catalog = [known(ids.a), known(ids.b), known(ids.c, true), known(ids.d)];
    const result = { backups: [backup(ids.a), backup(ids.x)], findings: [] };
    const found = await compareCatalog(result, { store, known: catalog, isWhole, signal });
    return found.map(({ kind, severity, object }) => [kind, severity, object]);
  };
  const missing = ["missing", "damage", `7312/backups/${ids.b}/manifest`];
  assert.deepEqual(await compare(true), [
    missing,
    ["unlisted", "note", `7312/backups/${ids.x}/manifest`],
  ]);
  assert.deepEqual(await compare(false), [missing]);
});
