import assert from "node:assert/strict";
import { test } from "node:test";
import { breachesOfDailyLimit } from "../../core/retention/daily-limit.ts";
import { keepBackups } from "../../core/retention/keep-backups.ts";
import { type NamedBackup, previewDocument, previewLines } from "./format-preview.ts";

const at = new Date("2026-11-20T12:00:00.000Z");

/** Of a day in October; with one pack of its own and one that all share. */
function backupOf(day: number, changes: Partial<NamedBackup> = {}): NamedBackup {
  const time = new Date(Date.UTC(2026, 9, day));
  const [mine, shared] = [
    { pack: `p${day}`, size: 1000 },
    { pack: "shared", size: 50_000 },
  ];
  return {
    id: `b${day}`,
    database: "7312/shop",
    name: "db1/shop",
    instance: "7312",
    kind: "logical",
    committed: time,
    finished: time,
    state: "complete",
    verified: false,
    proved: false,
    tags: [],
    packs: [mine, shared],
    ...changes,
  };
}

function previewOf(backups: NamedBackup[]) {
  const rule = { keepLast: 2 };
  const decisions = keepBackups(backups, rule, { now: at });
  const breaches = breachesOfDailyLimit(decisions, { now: at, gone: new Map() });
  return { rule, at, decisions, breaches, hasPacks: true };
}

test("previewLines() says what goes, what that frees, and what will ask for confirmation", () => {
  const unknown = backupOf(9, { committed: undefined });
  const lines = previewLines(previewOf([1, 2, 3, 4].map((day) => backupOf(day)).concat(unknown)));
  assert.match(lines[0] ?? "", /^Rule keep-last=2, at 2026-11-20T12:00:00.000Z$/);
  assert.match(lines[3] ?? "", /^b1 .* 2026-10-01T00:00:00.000Z +goes +nothing keeps it$/);
  assert.match(lines[6] ?? "", /^b4 .* stays +newest 1 of 2; newest good backup$/);
  assert.match(lines[7] ?? "", /^b9 .* ~2026-10-09T\S+ +stays +when it was stored is not known$/);
  assert.equal(
    lines[9],
    "3 stay, 2 would go: 2.0 kB of 55.0 kB are in packs that only those need.",
  );
  assert.match(lines[10] ?? "", /^Of db1\/shop, 2 would go in one day, where 1 may/);
});

test("a preview that does not know the packs counts no bytes", () => {
  const preview = { ...previewOf([1, 2, 3].map((day) => backupOf(day))), hasPacks: false };
  assert.ok(previewLines(preview).includes("2 stay, 1 would go."));
  assert.ok(!("bytes" in previewDocument(preview)));
});

test("previewDocument() has the reasons as data and in words", () => {
  const document = previewDocument(previewOf([1, 2, 3].map((day) => backupOf(day))));
  assert.deepEqual(
    document.backups.map(({ backup, kept, why }) => [backup, kept, why]),
    [
      ["b1", false, []],
      ["b2", true, [{ kind: "last", rank: 2, of: 2, text: "newest 2 of 2" }]],
      [
        "b3",
        true,
        [
          { kind: "last", rank: 1, of: 2, text: "newest 1 of 2" },
          { kind: "newest-good", text: "newest good backup" },
        ],
      ],
    ],
  );
  assert.deepEqual([document.kept, document.going, document.confirm], [2, 1, []]);
  assert.deepEqual(document.bytes, { stored: 53_000, freed: 1000 });
});

test("previewLines() has words for an empty repository", () => {
  assert.equal(previewLines(previewOf([])).at(-1), "No backups yet.");
});
