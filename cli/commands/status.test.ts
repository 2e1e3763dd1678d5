import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { DatabaseSchema } from "../../proto/gen/dbctl/v1/databases_pb.ts";
import { databaseDocument } from "../output/format-database.ts";
import { selectionOf } from "./fleet-backup.ts";
import { checkCode, statusLines } from "./status.ts";

const until = timestampFromDate(new Date("2026-11-20T10:00:00.000Z"));
const of = (state: string) =>
  databaseDocument(
    create(DatabaseSchema, {
      name: "db1/shop",
      recoverability: { state, until, ageSeconds: 3600n, rpoSeconds: 90_000n, level: "verified" },
    }),
  );

test("checkCode() is 0 when all is well, 1 on a warning, 2 on a violation", () => {
  assert.equal(checkCode([of("ok"), of("ok")]), 0);
  assert.equal(checkCode([of("ok"), of("warning")]), 1);
  assert.equal(checkCode([of("unmanaged"), of("ok")]), 1);
  assert.equal(checkCode([of("warning"), of("violated")]), 2);
});

test("checkCode() takes neither an unknown state nor an empty fleet for well", () => {
  assert.equal(checkCode([of("splendid")]), 2);
  assert.equal(checkCode([]), 1);
  assert.equal(checkCode([databaseDocument(create(DatabaseSchema, { name: "db1/x" }))]), 1);
});

test("statusLines() shows what was never backed up as never", () => {
  const never = databaseDocument(create(DatabaseSchema, { name: "db1/new" }));
  const [head, first, second] = statusLines([never, of("ok")]);
  assert.match(head ?? "", /DATABASE +RECOVERABLE UNTIL +AGE +RPO +STATE +LEVEL +COPIES +REASON/);
  assert.match(first ?? "", /db1\/new +never +- +- +unmanaged +none/);
  assert.match(
    second ?? "",
    /db1\/shop +2026-11-20T10:00:00.000Z +1 h 00 m +25 h 00 m +ok +verified/,
  );
});

test("selectionOf() wants databases named in exactly one way", () => {
  assert.deepEqual(selectionOf({ names: [], all: true }), { case: "all", value: {} });
  assert.deepEqual(selectionOf({ names: ["a/b"], all: false }), {
    case: "names",
    value: { names: ["a/b"] },
  });
  assert.throws(() => selectionOf({ names: [], all: false }), { code: "usage" });
  assert.throws(() => selectionOf({ names: ["a/b"], all: true }), { code: "usage" });
});
