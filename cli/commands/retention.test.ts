import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import { makeDbctlScratch } from "../../integration/fixtures/run-dbctl.ts";
import { backUp, makeScratchRepository } from "../../integration/fixtures/scratch-repository.ts";
import { readPlan, rulesToCompare } from "./retention-options.ts";

interface Preview {
  rule: string;
  kept: number;
  going: number;
  bytes: { stored: number; freed: number };
  backups: { database: string; kept: boolean; why: { kind: string; text: string }[] }[];
}

interface Simulations {
  real: number;
  imagined: number;
  rules: {
    rule: string;
    samples: { day: number; kept: number; bytes: number; cost?: number; oldest: string | null }[];
    departures: { day: number; backups: string[] }[];
  }[];
}

const words = (line: string) => line.split(" ");

/** A repository on disk with backups of two databases. */
async function makeRepositoryOnDisk() {
  const dbctl = await makeDbctlScratch({ init: false });
  await using scratch = await makeScratchRepository();
  for (const database of ["shop", "shop", "shop", "rare"])
    await backUp(scratch, { streams: [[Buffer.alloc(9000, scratch.objects.size)]], database });
  for (const [key, bytes] of scratch.objects) {
    const path = join(dbctl.repoFolder, key);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, bytes);
  }
  return dbctl;
}

describe("dbctl retention", () => {
  test("preview says what a rule keeps in a repository, and why", async () => {
    await using dbctl = await makeRepositoryOnDisk();
    const args = ["retention", "preview", "--repo", dbctl.repo, "--keep-last", "2"];
    const document = (await dbctl.ok(...args)) as unknown as Preview;
    assert.equal(document.rule, "keep-last=2");
    assert.deepEqual([document.kept, document.going, document.bytes.freed], [4, 0, 0]);
    assert.ok(document.bytes.stored > 0);
    const why = document.backups.map(
      ({ database, why: all }) => `${database}: ${all.map(({ text }) => text).join("; ")}`,
    );
    assert.deepEqual(why, [
      "h/rare: newest 1 of 2; newest good backup; younger than 24 h",
      "h/shop: younger than 24 h",
      "h/shop: newest 2 of 2; younger than 24 h",
      "h/shop: newest 1 of 2; newest good backup; younger than 24 h",
    ]);
    const one = (await dbctl.ok(...args, "--database", "h/rare")) as unknown as Preview;
    assert.equal(one.backups.length, 1);
    const people = await dbctl.run(...args);
    assert.match(people.stdout, /h\/rare +logical +complete +\S+ +stays +newest 1 of 2/);
    assert.match(people.stdout, /4 stay, 0 would go: 0 B of/);
    const none = await dbctl.run(...args, "--database", "h/shpo", "--json");
    assert.equal(none.code, 66);
    assert.match(none.document.error.remedy, /h\/rare, h\/shop/);
  });

  test("simulate goes on from a repository's backups", async () => {
    await using dbctl = await makeRepositoryOnDisk();
    const document = (await dbctl.ok(
      ...words(`retention simulate --repo ${dbctl.repo} --every 1d --size 1kB --days 0,10`),
      ...words("--keep-last 2 --compare last=1,daily=3"),
    )) as unknown as Simulations;
    assert.deepEqual([document.real, document.imagined], [4, 20]);
    const [a, b] = document.rules;
    assert.deepEqual(
      document.rules.map(({ rule }) => rule),
      ["keep-last=2", "keep-last=1,keep-daily=3"],
    );
    assert.deepEqual(
      a?.samples.map(({ kept }) => kept),
      [4, 4],
    );
    assert.deepEqual(a?.samples.at(-1)?.bytes, 4000);
    assert.deepEqual(
      b?.samples.map(({ kept }) => kept),
      [4, 6],
    );
    // Of 24 backups four stay; the real ones go first, when they are a day old.
    assert.equal(a?.departures.flatMap(({ backups }) => backups).length, 20);
    assert.equal(a?.departures[0]?.day, 1);
  });

  test("simulate compares rules on imagined backups", async () => {
    await using dbctl = await makeDbctlScratch({ init: false });
    const { stdout, code } = await dbctl.run(
      ...words("retention simulate --every 12h --size 10GB --for 60d --price 0.02"),
      ...words("--compare last=7 --compare days=20"),
    );
    assert.equal(code, 0);
    const lines = stdout.split("\n");
    assert.deepEqual(lines.slice(0, 2), ["Rule A keep-last=7", "Rule B keep-days=20,keep-min=5"]);
    assert.match(lines.at(-2) ?? "", /^60 +7 +70\.0 GB +1\.40 +\S+ \(3\.0 d\) +41 +410 GB +8\.20/);
    assert.doesNotMatch(stdout, /GOES/);
  });

  test("simulate names all faults of its flags at once", async () => {
    await using dbctl = await makeDbctlScratch({ init: false });
    const run = await dbctl.run(
      ...words("retention simulate --every 30 --growth 1% --keep-last 0 --json"),
      ...words("--compare month-day=32 --price x --days -1 --for 20y"),
    );
    assert.equal(run.code, 2);
    for (const what of [/--every: "30"/, /--growth:/, /--price:/, /--days:/, /--for:/, /--size is/])
      assert.match(run.document.error.message, what);
  });
});

test("rulesToCompare() takes the flags' rule first, and the usual one when none is named", () => {
  const usual = { keepDays: 30, keepMin: 5 };
  const flags = { keepLast: "3", keepTag: ["a", "b"], json: false };
  const rule = { keepLast: 3, keepTags: ["a", "b"] };
  assert.deepEqual(rulesToCompare({ keepTag: [] }, []), [usual]);
  assert.deepEqual(rulesToCompare({ keepTag: [] }, ["last=7"]), [{ keepLast: 7 }]);
  assert.deepEqual(rulesToCompare(flags, ["keep-last=7"]), [rule, { keepLast: 7 }]);
  assert.throws(() => rulesToCompare({ keepLast: "0", monthDay: "32" }, []), {
    code: "usage",
    message: /keep-last: .*month-day: /,
  });
});

test("readPlan() reads growth as what adds up over its unit", () => {
  const planOf = (growth: string) =>
    readPlan({ every: "1d", size: "1GB", growth, compare: [], json: false });
  assert.ok(Math.abs((1 + planOf("50%/y").growthPerDay) ** 365 - 1.5) < 1e-9);
  assert.ok(Math.abs(planOf("1%/d").growthPerDay - 0.01) < 1e-12);
  assert.deepEqual(planOf("1%/d").days, [7, 14, 30, 60, 90]);
});
