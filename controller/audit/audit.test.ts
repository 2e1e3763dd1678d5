import assert from "node:assert/strict";
import { test } from "node:test";
import { openScratchCatalog } from "../database/scratch-catalog.ts";
import { recordAudit } from "./record-audit.ts";
import { tellAuditHead } from "./tell-audit-head.ts";
import { verifyAudit } from "./verify-audit.ts";

const entry = { actor: "admin:ann", address: "::1", call: "S/C", request: "{}", result: "ok" };
const now = new Date("2026-01-02T03:04:05Z");

async function withRows(count: number) {
  const it = await openScratchCatalog();
  for (let n = 0; n < count; n++)
    await recordAudit(it.db, { ...entry, request: `{"n":${n}}` }, now);
  return it;
}

test("verifyAudit() accepts what recordAudit() wrote, also by many at once", async () => {
  await using it = await withRows(3);
  await Promise.all(Array.from({ length: 20 }, () => recordAudit(it.db, entry, now)));
  const { rows, head } = await verifyAudit(it.db);
  assert.equal(rows, 23);
  assert.match(head, /^[0-9a-f]{64}$/);
});

test("tellAuditHead() tells the newest hash, or that the log is broken", async () => {
  await using it = await withRows(2);
  const told = async () => {
    const row = await it.db.one("select body from outbox order by position desc");
    return JSON.parse(String(row?.["body"])) as { type: string; details: object };
  };
  await tellAuditHead(it.db, now);
  const { type, details } = await told();
  assert.deepEqual([type, details], ["audit_head", await verifyAudit(it.db)]);
  await it.db.run("update audit set actor = 'x' where position = 1");
  await assert.rejects(tellAuditHead(it.db, now), { code: "digest-mismatch" });
  assert.equal((await told()).type, "audit_broken");
});

const attacks: [what: string, sql: string, row: number][] = [
  ["a changed actor", "update audit set actor = 'admin:bob' where position = 2", 2],
  ["a changed result", "update audit set result = 'ok ' where position = 1", 1],
  ["a removed row", "delete from audit where position = 2", 2],
  ["a removed first row", "delete from audit where position = 1", 1],
  [
    "text that moved from one column to the next",
    "update audit set call = 'S/', request = 'C' || request where position = 3",
    3,
  ],
];
for (const [what, sql, row] of attacks)
  test(`verifyAudit() finds ${what}`, async () => {
    await using it = await withRows(4);
    assert.equal(await it.db.run(sql), 1);
    await assert.rejects(verifyAudit(it.db), {
      code: "digest-mismatch",
      message: new RegExp(`row ${row} `),
    });
  });
