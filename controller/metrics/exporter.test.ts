import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { test } from "node:test";
import { recordAudit } from "../audit/record-audit.ts";
import { recordEvent } from "../bus/outbox.ts";
import type { Db } from "../database/database.ts";
import { openDatabase } from "../database/database.ts";
import { openScratchCatalog } from "../database/scratch-catalog.ts";
import { backupCompleted, insertDatabase, insertPolicy } from "../database/scratch-fleet.ts";
import { collect } from "./collect.ts";
import { metrics } from "./series.ts";
import { startExporter } from "./start-exporter.ts";

const seenAt = new Date("2026-03-01T10:00:00Z");
const later = (hours: number) => new Date(seenAt.getTime() + hours * 3600_000);
const version = "0.1.0";

/** `h1/shop` with a policy and a verified backup of 11:00, `h2/new` with neither. */
async function openFleet() {
  const catalog = await openScratchCatalog();
  const { db } = catalog;
  await insertPolicy(db, { name: "gold", selector: "host=h1", webhooks: [] });
  await insertDatabase(db, { host: "h1", database: "shop", seenAt });
  await insertDatabase(db, { host: "h2", database: 'n"e\\w', seenAt });
  await insertJob(db, { id: "j1", state: "succeeded" });
  await db.run(
    `insert into backups (id, database, job_id, repository_url, state, started_at, committed_at,
       result, verified_at)
     values ('b1', 'h1/shop', 'j1', '/srv/r', 'complete', :start, :end,
       '{"bytesStored":"5000"}', :verified)`,
    {
      start: later(1).toISOString(),
      end: new Date(later(1).getTime() + 90_000).toISOString(),
      verified: later(2).toISOString(),
    },
  );
  return catalog;
}

async function insertJob(db: Db, { id, state }: { id: string; state: string }): Promise<void> {
  await db.run(
    `insert into jobs (id, kind, database, host, spec, state, state_document, not_before,
       requested_by, created_at, updated_at)
     values (:id, 'backup', 'h1/shop', 'h1', '{}', :state, '{}', :at, 'test', :at, :at)`,
    { id, state, at: seenAt.toISOString() },
  );
}

/** Prometheus' text format, small: series with its labels → value. Throws at what is none. */
function parseExposition(text: string): Map<string, number> {
  const series = new Map<string, number>();
  const described = new Set<string>();
  for (const line of text.split("\n")) {
    const type = /^# TYPE (\w+) (gauge|counter)$/.exec(line);
    if (type?.[1] !== undefined) described.add(type[1]);
    if (line === "" || line.startsWith("#")) continue;
    const label = String.raw`[a-z_]+="(?:[^"\\\n]|\\["\\n])*"`;
    const match = new RegExp(String.raw`^((\w+)(?:\{${label}(?:,${label})*\})?) (\S+)$`).exec(line);
    assert.ok(match, line);
    const [, name = "", family = "", value = ""] = match;
    assert.ok(described.has(family), line);
    assert.ok(Number.isFinite(Number(value)) && !series.has(name), line);
    series.set(name, Number(value));
  }
  return series;
}

test("collect() tells recoverability and backups of a database", async () => {
  await using catalog = await openFleet();
  const series = parseExposition(await collect(catalog.db, { version }, later(4)));
  const shop = 'server="h1",database="shop"';
  const full = `{${shop},engine="postgres",backup_type="full"}`;
  const wanted = {
    [`dbctl_rpo_seconds{${shop}}`]: 3 * 3600,
    [`dbctl_rpo_target_seconds{${shop}}`]: 26 * 3600,
    [`dbctl_recoverable_until_timestamp{${shop},engine="postgres"}`]: later(1).getTime() / 1000,
    [`dbctl_recoverable_level{${shop},engine="postgres"}`]: 2,
    [`dbctl_last_success_timestamp${full}`]: later(1).getTime() / 1000 + 90,
    [`dbctl_last_backup_duration_seconds${full}`]: 90,
    [`dbctl_last_backup_size_bytes${full}`]: 5000,
    [`dbctl_backup_verified{${shop}}`]: 1,
    [`dbctl_backup_verified_timestamp{${shop}}`]: later(2).getTime() / 1000,
    'dbctl_build_info{version="0.1.0"}': 1,
    'dbctl_jobs{kind="backup",state="succeeded"}': 1,
    dbctl_scrape_timestamp: later(4).getTime() / 1000,
    dbctl_outbox_oldest_seconds: 0,
    dbctl_series_cut: 0,
  };
  for (const [name, value] of Object.entries(wanted)) assert.equal(series.get(name), value, name);
});

test("collect() has RPO series of a database that never succeeded, since it was first seen", async () => {
  await using catalog = await openFleet();
  await insertDatabase(catalog.db, { host: "h1", database: "never", seenAt });
  const series = parseExposition(await collect(catalog.db, { version }, later(27)));
  const labels = '{server="h1",database="never"}';
  assert.equal(series.get(`dbctl_rpo_seconds${labels}`), 27 * 3600);
  assert.equal(series.get(`dbctl_rpo_target_seconds${labels}`), 26 * 3600);
  assert.equal(series.get(`dbctl_rpo_state${labels}`), 2);
  assert.equal(series.get(`dbctl_backup_total{server="h1",database="never",status="success"}`), 0);
  const odd = String.raw`{server="h2",database="n\"e\\w"}`;
  assert.equal(series.get(`dbctl_rpo_seconds${odd}`), 27 * 3600);
  assert.equal(series.get(`dbctl_rpo_state${odd}`), 1);
});

test("backup_total counts failures, partial and cancelled ones too, and survives a restart", async () => {
  await using catalog = await openFleet();
  const { db } = catalog;
  const types = ["backup_completed", "backup_failed", "backup_failed", "backup_partial"];
  for (const [index, type] of types.entries())
    await recordEvent(db, { ...backupCompleted(`e${index}`), type }, seenAt);
  await insertJob(db, { id: "j2", state: "cancelled" });
  await db.run("delete from outbox");
  await using again = await openDatabase(catalog.path);
  const series = parseExposition(await collect(again, { version }, later(4)));
  const count = (status: string) =>
    series.get(`dbctl_backup_total{server="h1",database="shop",status="${status}"}`);
  assert.deepEqual([count("success"), count("failure")], [1, 4]);
});

test("collect() tells agents and open alerts", async () => {
  await using catalog = await openFleet();
  const { db } = catalog;
  await db.run("update agents set last_seen_at = :at, clock_skew_seconds = 1.5 where host = 'h1'", {
    at: later(4).toISOString(),
  });
  await db.run("update agents set revoked_at = enrolled_at where host = 'h2'");
  for (const [id, state] of [
    ["a1", "open"],
    ["a2", "resolved"],
  ] as const)
    await db.run(
      `insert into alerts (id, kind, object, severity, state, message, opened_at)
       values (:id, 'rpo_violation', 'h1/shop', 'critical', :state, 'late', :at)`,
      { id, state, at: seenAt.toISOString() },
    );
  const series = parseExposition(await collect(db, { version }, later(4)));
  assert.equal(series.get('dbctl_agent_up{server="h1"}'), 1);
  assert.equal(series.get('dbctl_agent_clock_skew_seconds{server="h1"}'), 1.5);
  assert.equal(
    series.get('dbctl_agent_last_seen_timestamp{server="h1"}'),
    later(4).getTime() / 1000,
  );
  assert.equal(series.get('dbctl_agent_up{server="h2"}'), undefined);
  assert.equal(series.get('dbctl_alerts{kind="rpo_violation",severity="critical"}'), 1);
  const silent = parseExposition(await collect(db, { version }, later(5)));
  assert.equal(silent.get('dbctl_agent_up{server="h1"}'), 0);
});

test("collect() counts what it cuts", async () => {
  await using catalog = await openFleet();
  const all = parseExposition(await collect(catalog.db, { version }, later(4)));
  const cut = parseExposition(await collect(catalog.db, { version, cap: 10 }, later(4)));
  assert.equal(cut.get("dbctl_series_cut"), all.size - 1 - 10);
});

test("collect() has text that promtool takes, and every metric has its type", async () => {
  await using catalog = await openFleet();
  const text = await collect(catalog.db, { version }, later(4));
  for (const name of Object.keys(metrics))
    assert.match(text, new RegExp(`^# TYPE dbctl_${name} `, "m"));
  parseExposition(text);
  const promtool = "/usr/bin/promtool";
  if (existsSync(promtool))
    execFileSync(promtool, ["check", "metrics"], { input: text, stdio: "pipe" });
});

test("the exporter serves metrics for 30 s from its cache, then anew", async () => {
  await using catalog = await openFleet();
  let now = later(4);
  const parts = { db: catalog.db, now: () => now, version, listen: "127.0.0.1:0" };
  await using exporter = await startExporter(parts);
  const scrape = async () => {
    const response = await fetch(`http://${exporter.address}/metrics`);
    assert.match(response.headers.get("content-type") ?? "", /^text\/plain; version=0\.0\.4/);
    return parseExposition(await response.text()).get("dbctl_scrape_timestamp");
  };
  const first = await scrape();
  now = new Date(now.getTime() + 29_999);
  assert.equal(await scrape(), first);
  now = new Date(now.getTime() + 1);
  assert.equal(await scrape(), now.getTime() / 1000);
});

test("the exporter answers 503 when the catalog is gone, and never old figures", async () => {
  await using catalog = await openFleet();
  let now = later(4);
  const db = await openDatabase(catalog.path);
  await using exporter = await startExporter({ db, now: () => now, version, listen: "[::1]:0" });
  const health = await fetch(`http://${exporter.address}/health`);
  assert.equal(health.status, 200);
  const { status, checks } = (await health.json()) as { status: string; checks: unknown[] };
  assert.deepEqual([status, checks.length], ["healthy", 3]);
  assert.equal((await fetch(`http://${exporter.address}/metrics`)).status, 200);
  await db[Symbol.asyncDispose]();
  now = later(5);
  assert.equal((await fetch(`http://${exporter.address}/metrics`)).status, 503);
  const ill = await fetch(`http://${exporter.address}/health`);
  assert.equal(ill.status, 503);
  assert.equal(((await ill.json()) as { status: string }).status, "critical");
});

test("/health tells events that wait too long for the bus", async () => {
  await using catalog = await openFleet();
  await recordEvent(catalog.db, backupCompleted("e1"), seenAt);
  let now = seenAt;
  const parts = { db: catalog.db, now: () => now, version, listen: "127.0.0.1:0" };
  await using exporter = await startExporter(parts);
  const codes: number[] = [];
  for (const seconds of [60, 61, 600, 601]) {
    now = new Date(seenAt.getTime() + seconds * 1000);
    codes.push((await fetch(`http://${exporter.address}/health`)).status);
  }
  assert.deepEqual(codes, [200, 200, 200, 503]);
});

test("/health?deep=1 tells what the fleet lacks, and a changed audit log", async () => {
  await using catalog = await openFleet();
  const { db } = catalog;
  let now = later(4);
  const parts = { db, now: () => now, version, listen: "127.0.0.1:0" };
  await using exporter = await startExporter(parts);
  const look = async () => {
    const response = await fetch(`http://${exporter.address}/health?deep=1`);
    const { checks } = (await response.json()) as { checks: { name: string; status: string }[] };
    const found = Object.fromEntries(checks.map(({ name, status }) => [name, status]));
    return { code: response.status, ...found };
  };
  const own = { catalog: "healthy", outbox: "healthy", webhooks: "healthy" };
  await db.run("update agents set last_seen_at = :at, certificate_ends_at = :end", {
    at: now.toISOString(),
    end: later(100).toISOString(),
  });
  const fleet = { databases: "healthy", agents: "healthy", certificates: "healthy" };
  assert.deepEqual(await look(), { code: 200, ...own, ...fleet, audit: "healthy" });
  const call = { actor: "ann", address: "::1", call: "X", request: "{}", result: "ok" };
  await recordAudit(db, call, now);
  await db.run("update audit set actor = 'bob'");
  now = later(60);
  const ill = { databases: "critical", agents: "critical", certificates: "warning" };
  assert.deepEqual(await look(), { code: 503, ...own, ...ill, audit: "critical" });
  assert.equal((await fetch(`http://${exporter.address}/health`)).status, 200);
});

test("startExporter() refuses a taken port, and to be open to others without a token", async () => {
  await using catalog = await openFleet();
  const parts = { db: catalog.db, now: () => seenAt, version };
  const other = createServer();
  await new Promise<void>((listening) => other.listen(0, "127.0.0.1", listening));
  const { port } = other.address() as { port: number };
  await assert.rejects(startExporter({ ...parts, listen: `127.0.0.1:${port}` }), {
    code: "port-taken",
  });
  other.close();
  await assert.rejects(startExporter({ ...parts, listen: "0.0.0.0:0" }), {
    code: "config-invalid",
  });
  const tokenFile = `${catalog.path}.token`;
  const open = { ...parts, listen: "0.0.0.0:0", tokenFile };
  await assert.rejects(startExporter(open), { code: "config-invalid" });
  await writeFile(tokenFile, "t0ken\n", { mode: 0o600 });
  await using exporter = await startExporter(open);
  const url = `http://127.0.0.1:${exporter.address.split(":")[1]}/metrics`;
  assert.equal((await fetch(url)).status, 401);
  assert.equal((await fetch(url, { headers: { authorization: "Bearer wrong" } })).status, 401);
  assert.equal((await fetch(url, { headers: { authorization: "Bearer t0ken" } })).status, 200);
});

test("the exporter knows two paths and no writing methods", async () => {
  await using catalog = await openFleet();
  const parts = { db: catalog.db, now: () => seenAt, version, listen: "127.0.0.1:0" };
  await using exporter = await startExporter(parts);
  const url = `http://${exporter.address}`;
  assert.equal((await fetch(`${url}/other`)).status, 404);
  assert.equal((await fetch(`${url}/metrics`, { method: "POST" })).status, 405);
});
