import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { claimNextJob } from "../jobs/claim-next-job.ts";
import { enqueueBackups } from "../jobs/enqueue-backups.ts";
import { backedUp, goldPolicy, openScratchFleet } from "../jobs/scratch-fleet.ts";
import { applyPolicies } from "./apply-policies.ts";
import { explainPolicy } from "./explain-policy.ts";
import { parsePolicies } from "./parse-policies.ts";
import { readPolicies } from "./read-policies.ts";

const now = new Date("2026-01-01");
const whole = `# The shop's databases
- name: gold
  select: env=prod, engine in (postgres, mysql)
  schedule: "15 2 * * *"
  time_zone: Europe/Berlin
  rpo: 30h
  retention: { keep_days: 7, keep_last: 3 }
  repository: s3://bucket/gold
  options:
    jobs: 8
    allow_missing: true
  retry: { times: 1, delay: 10m }
  notify:
    - webhook: https://hooks.example/x
      min_severity: error
      secret_file: hook.secret
`;

test("parsePolicies() reads every field, with the line of each", () => {
  const { policies, faults } = parsePolicies(whole, now);
  assert.deepEqual(faults, []);
  const [found] = policies;
  assert.ok(found !== undefined);
  const { lines, ...policy } = found;
  assert.deepEqual(policy, {
    name: "gold",
    selector: "env=prod, engine in (postgres, mysql)",
    schedule: "15 2 * * *",
    timeZone: "Europe/Berlin",
    rpoSeconds: 30 * 3600,
    intervalSeconds: 25 * 3600,
    jitterSeconds: 1800,
    repositoryUrls: ["s3://bucket/gold"],
    retention: { keepDays: 7, keepLast: 3 },
    jobs: 8,
    allowMissing: true,
    retries: 1,
    retryDelaySeconds: 600,
    webhooks: [{ url: "https://hooks.example/x", minSeverity: "error", secretFile: "hook.secret" }],
  });
  assert.deepEqual([lines["name"], lines["options.jobs"], lines["notify[0].webhook"]], [2, 10, 14]);
});

test("parsePolicies() gives what is not said its default", () => {
  const { policies } = parsePolicies(goldPolicy, now);
  const { timeZone, jobs, retries, retryDelaySeconds, retention } = policies[0] ?? {};
  assert.deepEqual([timeZone, jobs, retries, retryDelaySeconds], ["UTC", 4, 2, 300]);
  assert.deepEqual(retention, { keepDays: 30, keepMin: 5 });
});

test("parsePolicies() reads every field of retention; days begin in the policy's zone", () => {
  const parse = (retention: string) =>
    parsePolicies(`${goldPolicy}  time_zone: Europe/Berlin\n  retention: { ${retention} }\n`, now);
  const read = (retention: string) => parse(retention).policies[0]?.retention;
  const tiers = { daily: 7, weekly: 4, monthly: 12, yearly: 3 };
  const gfs = { ...tiers, weekday: 7, monthDay: 0, zone: "Europe/Berlin" };
  assert.deepEqual(read('gfs: true, month_day: 0, keep_tag: "a, b", pitr_window: 7d'), {
    gfs,
    keepTags: ["a", "b"],
    pitrWindowSeconds: 7 * 86_400,
  });
  assert.deepEqual(read("keep_daily: 3, zone: UTC, keep_within: 4w"), {
    keepWithinSeconds: 28 * 86_400,
    gfs: { daily: 3, weekly: 0, monthly: 0, yearly: 0, weekday: 7, monthDay: 1, zone: "UTC" },
  });
  for (const [retention, what] of [
    ["", /^"retention": it keeps nothing/],
    ["keep_last: 3, month_day: 1", /^"retention.month_day": it goes with keep-monthly/],
    ["keep_monthly: 3, month_day: 32", /^"retention.month_day": "32" is not a whole number/],
    ["keep_within: 14", /^"retention.keep_within": "14" has no unit/],
  ] as const) {
    const { faults } = parse(retention);
    assert.equal(faults.length, 1);
    assert.match(faults[0]?.message ?? "", what);
  }
});

test("parsePolicies() tells all faults at once, each with its place", () => {
  const text = `- name: gold
  select: env
  shedule: "0 3 * * *"
  rpo: 30
  time_zone: Europe/Atlantis
  repository: ftp
  retention: { keep_days: 0, keep_lost: 2 }
  options: [1]
  notify:
    - min_severity: loud
`;
  const { policies, faults } = parsePolicies(text, now);
  assert.deepEqual(policies, []);
  const places = faults.map(({ line, column, message }) => `${line}:${column} ${message}`);
  const expected = [
    /^2:11 "select": "env" is not key=value/,
    /^1:3 "schedule" is missing/,
    /^5:14 "time_zone": "Europe\/Atlantis" is not/,
    /^4:8 "rpo": "30" has no unit: write 30s for seconds or 30m/,
    /^6:15 "repository": "ftp" is neither/,
    /^7:27 "retention.keep_days"|^7:28 "retention.keep_days"/,
    /^7:\d+ "retention.keep_lost" is not known/,
    /^8:12 "options" is not a map/,
    /^10:7 "notify\[0\].webhook" is missing/,
    /^10:21 "notify\[0\].min_severity": "loud"/,
    /^3:3 "shedule" is not known/,
  ];
  for (const pattern of expected)
    assert.ok(
      places.some((place) => pattern.test(place)),
      String(pattern) + places.join("\n"),
    );
  assert.equal(faults.length, expected.length, places.join("\n"));
  assert.match(faults.at(-1)?.remedy ?? "", /"schedule"/);
});

const refused: [title: string, text: string, message: RegExp][] = [
  ["a map", "name: gold", /not a list/],
  ["no YAML", "- [", /./],
  ["nothing", "", /not a list/],
  ["two of one name", goldPolicy + goldPolicy, /is there twice/],
  ["a key twice", `${goldPolicy}  rpo: 27h\n`, /unique/],
  ["an alias", `- &a { name: a }\n- *a\n`, /is missing|not a policy/],
  ["a password in a URL", goldPolicy.replace("/backups/gold", "s3://u:p@x/y"), /password/],
  ["a day that never is", goldPolicy.replace("0 3 * * *", "0 3 31 2 *"), /no such day/],
  ["a daily schedule for 24h", goldPolicy.replace("26h", "24h"), /cannot give an RPO of 1d/],
];
for (const [title, text, message] of refused)
  test(`parsePolicies() refuses ${title}`, () => {
    const { faults } = parsePolicies(text, now);
    assert.match(faults.map((fault) => fault.message).join("\n"), message);
  });

test("parsePolicies() reads one repository or several, and tells what is wrong with them", () => {
  const parse = (lines: string) =>
    parsePolicies(goldPolicy.replace("repository: /backups/gold", lines), now);
  const two = parse("repositories: [/backups/gold, s3://far/gold]");
  assert.deepEqual(two.faults, []);
  assert.deepEqual(two.policies[0]?.repositoryUrls, ["/backups/gold", "s3://far/gold"]);
  for (const [lines, what] of [
    ["repositories: []", /^"repositories" is empty/],
    ["repositories: /backups", /^"repositories" is not a list/],
    ["repositories: [/backups, ftp]", /^"repositories\[1\]": "ftp" is neither/],
    ["repositories: [/backups, [a]]", /^"repositories\[1\]" is not one value/],
    ["repositories: [/a, /b, /a]", /\/a is there twice/],
    ["repositories: [/a, /b, /c, /d, /e, /f, /g, /h, /i]", /are 9/],
    ["repositories: [/a]\n  repository: /b", /^"repository" stands beside/],
    ["repo: /b", /^"repository" is missing/],
  ] as const) {
    const { faults } = parse(lines);
    assert.match(faults[0]?.message ?? "", what, lines);
    assert.ok(faults.every(({ line }) => line >= 2 && line <= 7));
  }
  const { faults } = parse("repositories: [/backups, ftp]");
  assert.deepEqual([faults[0]?.line, faults[0]?.column], [6, 28]);
});

test("readPolicies() reads a policy of the time when there was one repository", async () => {
  await using fleet = await openScratchFleet();
  await fleet.db.run(
    `update policies set document = json_set(json_remove(document, '$.repositoryUrls'),
       '$.repositoryUrl', '/backups/old')`,
  );
  const [gold] = await readPolicies(fleet.db);
  assert.deepEqual(gold?.repositoryUrls, ["/backups/old"]);
});

test("parsePolicies() says where an entry stands that is no policy", () => {
  const { faults } = parsePolicies("- name: a\n- gold\n-", now);
  const entries = faults.filter(({ message }) => message === "an entry is not a policy");
  assert.deepEqual(
    entries.map(({ line, column }) => [line, column]),
    [
      [2, 3],
      [3, 2],
    ],
  );
});

test("parsePolicies() says which RPO a daily schedule can give", () => {
  const text = goldPolicy.replace("26h", "24h");
  assert.match(parsePolicies(text, now).faults[0]?.remedy ?? "", /rpo: 25h/);
});

test("parsePolicies() never throws, wherever the file is cut", () => {
  fc.assert(
    fc.property(fc.nat({ max: whole.length }), fc.string({ maxLength: 3 }), (at, junk) => {
      const { policies, faults } = parsePolicies(whole.slice(0, at) + junk, now);
      assert.ok(policies.length === 0 || faults.length === 0 || policies.length === 1);
    }),
  );
});

const apply = (fleet: Awaited<ReturnType<typeof openScratchFleet>>, yaml: string, dryRun = false) =>
  applyPolicies(fleet.db, { yaml, dryRun, actor: "ann" }, fleet.now());

test("applyPolicies() tells each change, and a dry run makes none", async () => {
  await using fleet = await openScratchFleet();
  const silver = goldPolicy.replaceAll("gold", "silver");
  const next = goldPolicy.replace("26h", "30h") + silver;
  fleet.pass(60);
  const changes = [
    { policy: "gold", change: "changed" },
    { policy: "silver", change: "added" },
  ];
  assert.deepEqual(await apply(fleet, next, true), { faults: [], changes });
  assert.equal((await readPolicies(fleet.db)).length, 1);
  assert.deepEqual((await apply(fleet, next)).changes, changes);
  assert.equal((await fleet.events()).at(-1), "policy_changed");
  fleet.pass(60);
  const same = `# moved\n\n${next}`;
  assert.deepEqual(
    (await apply(fleet, same)).changes.map(({ change }) => change),
    ["unchanged", "unchanged"],
  );
  const [gold] = await readPolicies(fleet.db);
  assert.equal(gold?.appliedAt.getTime(), fleet.now().getTime() - 60_000);
  assert.equal(gold.lines["name"], 4);
  const removed = (await apply(fleet, "[]")).changes.map(({ change }) => change);
  assert.deepEqual(removed, ["removed", "removed"]);
  assert.deepEqual(await readPolicies(fleet.db), []);
});

test("applyPolicies() applies nothing of a file with one fault", async () => {
  await using fleet = await openScratchFleet();
  const { faults, changes } = await apply(
    fleet,
    `${goldPolicy.replaceAll("gold", "new")}- name: bad\n`,
  );
  assert.ok(faults.length > 0 && changes.length === 0);
  assert.deepEqual(
    (await readPolicies(fleet.db)).map(({ name }) => name),
    ["gold"],
  );
});

test("applyPolicies() refuses an RPO below what backups really take", async () => {
  await using fleet = await openScratchFleet();
  await enqueueBackups(
    fleet.db,
    { selection: { case: "all" }, allowMissing: false, freshEpoch: false, requestedBy: "ann" },
    fleet.now(),
  );
  const job = await claimNextJob(fleet.db, { host: "db1" }, fleet.now());
  assert.ok(job !== undefined);
  fleet.pass(2 * 3600);
  await fleet.say(job, backedUp("b1"));
  const { faults } = await apply(fleet, goldPolicy);
  assert.match(faults[0]?.message ?? "", /db1\/shop takes 2h/);
  assert.equal(faults[0]?.line, 5);
  assert.match(faults[0]?.remedy ?? "", /27h/);
});

test("explainPolicy() shows each value and where it comes from", async () => {
  await using fleet = await openScratchFleet();
  const { policy, settings, nextRunAt } = await explainPolicy(fleet.db, "db1/shop", fleet.now());
  assert.equal(policy, "gold");
  const find = (wanted: string) => settings.find(({ name }) => name === wanted);
  assert.deepEqual(find("rpo"), { name: "rpo", value: "26h", origin: "policy gold, line 5" });
  assert.equal(find("options.jobs")?.origin, "default");
  const [days, min] = ["retention.keep_days", "retention.keep_min"].map(find);
  assert.deepEqual([days?.value, min?.value, days?.origin], ["30", "5", "default"]);
  const due = new Date("2026-01-01T03:00:00Z").getTime();
  assert.ok(nextRunAt !== undefined && nextRunAt.getTime() >= due);
  assert.ok(nextRunAt.getTime() < due + 1_800_000);
  await assert.rejects(explainPolicy(fleet.db, "db1/shpo", fleet.now()), { remedy: /"db1\/shop"/ });
});
