import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import fc from "fast-check";
import { DbctlError } from "../../../core/errors.ts";
import {
  makeScratchFolder,
  type ScratchFolder,
} from "../../../integration/fixtures/scratch-folder.ts";
import { openDump } from "../open-dump.ts";
import type { Survey } from "../statement.ts";
import { openArchiveFile } from "./open-archive.ts";
import { makeArchive, type MadeEntry } from "./scratch-archive.ts";

const signal = new AbortController().signal;
let folder: ScratchFolder;
before(async () => (folder = await makeScratchFolder("archive")));
after(async () => await folder[Symbol.asyncDispose]());

const settings: MadeEntry[] = [
  { kind: "ENCODING", definition: "SET client_encoding = 'UTF8';\n" },
  { kind: "STDSTRINGS", definition: "SET standard_conforming_strings = 'on';\n" },
  { kind: "SEARCHPATH", definition: "SELECT pg_catalog.set_config('search_path', '', false);\n" },
];
const rows: MadeEntry = {
  kind: "TABLE DATA",
  copy: 'COPY public."T ö" (a) FROM stdin;\n',
  rows: "1\n2\n\\N\n\\.\n\n\n",
};
const table: MadeEntry = {
  kind: "TABLE",
  name: 'T "x"',
  definition: 'CREATE TABLE public."T ""x""" (a integer);\n',
  drop: 'DROP TABLE public."T ""x""";\n',
  owner: "ann",
  accessMethod: "heap",
};
const shop = [...settings, table, rows];

async function open(bytes: Buffer) {
  const path = join(folder.path, "a.dump");
  await writeFile(path, bytes);
  return await openDump(path, { signal });
}

/** Without a look at what the file is. */
async function openCustom(bytes: Buffer) {
  const path = join(folder.path, "a.dump");
  await writeFile(path, bytes);
  return await openArchiveFile("custom", { path, signal });
}

const survey = async (bytes: Buffer): Promise<Survey> =>
  (await open(bytes)).survey({ signal, deep: true });

/** What is run, and rows as text behind their COPY. */
async function run(bytes: Buffer): Promise<string[]> {
  const done: string[] = [];
  for await (const item of (await open(bytes)).items({ signal })) {
    if (item.kind === "connect") continue;
    const isLeftOut = item.kind === "statement" && item.effect.kind === "left-out";
    done.push(`${isLeftOut ? "not: " : ""}${item.sql.toString("latin1")}`);
    if (item.kind !== "copy") continue;
    const pieces = await Array.fromAsync(item.rows, (piece) => Buffer.from(piece));
    done.push(Buffer.concat(pieces).toString("latin1"));
  }
  return done.filter((sql) => !/^SET (?!search|default)/.test(sql));
}

for (const version of [12, 13, 14, 15, 16])
  for (const compression of ["none", "gzip", "zstd"] as const) {
    if (compression === "zstd" && version < 15) continue;
    test(`an archive of version 1.${version} with ${compression} is read`, async () => {
      for (const isPiped of [false, true]) {
        const bytes = makeArchive({ version, compression, isPiped, entries: shop });
        const found = await survey(bytes);
        assert.equal(found.damage, null);
        assert.deepEqual(
          [found.format, found.compression, found.tool, found.toolVersion, found.facts["database"]],
          ["pg-custom", compression, "pg_dump", "15.9", "shop"],
        );
        assert.deepEqual(
          found.tables.map((one) => one.rows),
          [3],
        );
        assert.deepEqual(await run(bytes), [
          "SELECT pg_catalog.set_config('search_path', '', false)",
          "SET default_tablespace = ''",
          ...(version >= 14 ? ['SET default_table_access_method = "heap"'] : []),
          'CREATE TABLE public."T ""x""" (a integer)',
          'ALTER TABLE "public"."T ""x""" OWNER TO "ann"',
          'COPY public."T ö" (a) FROM stdin',
          "1\n2\n\\N\n",
        ]);
      }
    });
  }

test("rights come after everything, and what needs them at the end", async () => {
  const entries: MadeEntry[] = [
    { kind: "ACL", name: "TABLE t", definition: "GRANT SELECT ON t TO ann;\n" },
    { kind: "MATERIALIZED VIEW DATA", definition: "REFRESH MATERIALIZED VIEW v;\n" },
    { kind: "TABLE", definition: "CREATE TABLE t ();\n" },
    { kind: "DATABASE", name: "shop", definition: "CREATE DATABASE shop;\n" },
    { kind: "COMMENT", name: "DATABASE shop", definition: "COMMENT ON DATABASE shop IS 'x';\n" },
  ];
  const bytes = makeArchive({ entries: [...settings, ...entries] });
  assert.deepEqual((await run(bytes)).slice(0, 2), [
    "not: CREATE DATABASE shop;\n",
    "not: COMMENT ON DATABASE shop IS 'x';\n",
  ]);
  assert.deepEqual((await run(bytes)).slice(-3), [
    "CREATE TABLE t ()",
    "GRANT SELECT ON t TO ann",
    "REFRESH MATERIALIZED VIEW v",
  ]);
  assert.deepEqual((await survey(bytes)).created, ["CREATE DATABASE shop"]);
});

test("what pg_dump 10 says of the schema public is left out, as pg_restore does", async () => {
  const entries: MadeEntry[] = [
    { kind: "SCHEMA", name: "public", schema: "", definition: "CREATE SCHEMA public;\n" },
    { kind: "COMMENT", name: "SCHEMA public", schema: "", definition: "COMMENT ON x IS 'y';\n" },
    { kind: "TABLE", schema: "we ird", definition: "CREATE TABLE t ();\n" },
  ];
  // It has no SEARCHPATH either.
  const done = await run(
    makeArchive({ version: 12, entries: [...settings.slice(0, 2), ...entries] }),
  );
  assert.deepEqual(done, [
    "not: CREATE SCHEMA public;\n",
    "not: COMMENT ON x IS 'y';\n",
    'SET search_path = "we ird", pg_catalog',
    "SET default_tablespace = ''",
    "CREATE TABLE t ()",
  ]);
  const later = { ...entries[0], kind: "SCHEMA", definition: "-- *not* creating schema\n" };
  const kept = { ...later, drop: "DROP SCHEMA public;\n", owner: "ann" };
  const owners = await run(makeArchive({ entries: [...settings, kept] }));
  assert.equal(owners.at(-1), 'ALTER SCHEMA "public" OWNER TO "ann"');
});

test("a partitioned table's access method is set after it", async () => {
  const made = {
    kind: "TABLE",
    name: "p",
    definition: "CREATE TABLE p ();\n",
    accessMethod: "heap",
  };
  const entries = [...settings, { ...made, isPartitioned: true }];
  assert.deepEqual((await run(makeArchive({ version: 16, entries }))).slice(-2), [
    "CREATE TABLE p ()",
    'ALTER TABLE "public"."p" SET ACCESS METHOD "heap"',
  ]);
});

test("client commands, large objects and unknown data are refused, and nothing is run", async () => {
  const entries: MadeEntry[][] = [
    [{ kind: "TABLE", definition: "CREATE TABLE t ();\n\\! rm x\n" }],
    [{ ...rows, copy: "COPY t FROM stdin;\n", rows: "1\n\\.\n\\! rm x\n" }],
    [{ kind: "BLOB", name: "16400", definition: "SELECT lo_create(16400);\n" }],
    [{ kind: "NEW DATA", rows: "x" }],
    [{ kind: "STDSTRINGS", definition: "SET standard_conforming_strings = 'off';\n" }],
  ];
  for (const some of entries) {
    const bytes = makeArchive({ entries: some });
    assert.equal((await survey(bytes)).refusals.length, 1, JSON.stringify(some));
    await assert.rejects(run(bytes), { code: "dump-refused" });
  }
});

test("without `deep` rows are not read, but where they should be is looked at", async () => {
  for (const isPiped of [false, true]) {
    const bytes = makeArchive({ compression: "gzip", isPiped, entries: shop });
    const whole = await (await open(bytes)).survey({ signal });
    assert.deepEqual([whole.damage, whole.hasRows, whole.tables[0]?.rows], [null, false, 0]);
    const cut = await (await open(bytes.subarray(0, -6))).survey({ signal });
    assert.deepEqual([cut.damage?.kind, cut.damage?.lastTable], ["truncated", null]);
  }
});

test("other versions and lz4 are refused with a way out", async () => {
  for (const made of [
    { version: 11 },
    { version: 17 },
    { version: 15, compression: "lz4" as const },
  ])
    await assert.rejects(open(makeArchive({ ...made, entries: shop })), { code: "dump-refused" });
});

test("an archive that is cut anywhere is never taken for a whole one", async () => {
  for (const compression of ["none", "gzip"] as const) {
    const bytes = makeArchive({ compression, entries: shop });
    for (let length = 5; length < bytes.length; length++) {
      try {
        const source = await openCustom(bytes.subarray(0, length));
        const { damage } = await source.survey({ signal, deep: true });
        assert.notEqual(damage, null, `cut at byte ${length}`);
      } catch (error) {
        assert.ok(error instanceof DbctlError, `cut at byte ${length}: ${String(error)}`);
        assert.match(error.code, /^dump-/);
        assert.ok(length < 100, `cut at byte ${length}: ${error.message}`);
      }
      if (length % 10 === 0)
        await assert.rejects(run(bytes.subarray(0, length)), { name: "DbctlError" });
    }
  }
});

test("an archive with changed bytes is read, refused or damaged, and nothing else", async () => {
  const bytes = makeArchive({ compression: "gzip", entries: shop });
  const change = fc.tuple(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }));
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
      const changed = Buffer.from(bytes);
      for (const [at, by] of changes) changed[at] = (changed[at] ?? 0) ^ by;
      try {
        await survey(changed);
        await run(changed);
      } catch (error) {
        assert.ok(error instanceof DbctlError && error.code.startsWith("dump-"), String(error));
      }
    }),
    { numRuns: 100 },
  );
});
