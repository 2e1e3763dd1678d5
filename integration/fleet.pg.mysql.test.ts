import assert from "node:assert/strict";
import { glob, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { compareMariadb, comparePostgres } from "./fixtures/compare-databases.ts";
import { startFleet } from "./fixtures/fleet.ts";
import { mariadb } from "./fixtures/mariadb-client.ts";
import { startMariadb } from "./fixtures/mariadb-server.ts";
import { psql } from "./fixtures/psql.ts";
import { startPostgres } from "./fixtures/postgres-server.ts";

test("a fleet: agents join, backup --all protects every database, a restore beside it is equal", async () => {
  await using postgres = await startPostgres(15);
  await using maria = await startMariadb();
  await psql(postgres, "postgres", "create database shop");
  await psql(
    postgres,
    "shop",
    "create table t as select n, md5(n::text) from generate_series(1, 20000) n",
  );
  await mariadb(maria, "", "create database blog");
  await mariadb(
    maria,
    "blog",
    "create table t (n int primary key, v text); insert into t select seq, md5(seq) from seq_1_to_20000",
  );
  await using fleet = await startFleet();
  const { dbctl } = fleet;
  await fleet.addAgent("db1", [{ name: "main", url: postgres.url(""), labels: { env: "prod" } }]);
  await fleet.addAgent("db2", [{ name: "main", url: maria.url("") }]);

  const policies = join(dbctl.folder, "policies.yaml");
  await writeFile(
    policies,
    `- name: everything
  select: "host in (db1,db2)"
  schedule: "0 3 * * *"
  rpo: 27h
  repository: ${dbctl.repo}
`,
  );
  await dbctl.ok("policies", "apply", "-f", policies);
  const { jobs } = await dbctl.ok("backup", "--all", "--wait");
  const states = (jobs as { database: string; state: string }[]).map((job) => [
    job.database,
    job.state,
  ]);
  assert.deepEqual(
    states.toSorted(([a = ""], [b = ""]) => (a < b ? -1 : 1)),
    [
      ["db1/postgres", "succeeded"],
      ["db1/shop", "succeeded"],
      ["db2/blog", "succeeded"],
    ],
    JSON.stringify(jobs),
  );
  const { databases } = await dbctl.ok("status");
  for (const database of databases as { name: string; recoverability: { state: string } }[])
    assert.equal(database.recoverability.state, "ok", database.name);

  const { backups } = await dbctl.ok("backups", "ls");
  const idOf = (name: string) =>
    (backups as { backup: string; database: string }[]).find((one) => one.database === name)
      ?.backup ?? "";
  const restore = (name: string, to: string) =>
    dbctl.ok("restore", idOf(name), "--to", to, "--create", "--wait", "--identity", dbctl.identity);
  await restore("db1/shop", "db1/copy");
  await restore("db2/blog", "db2/copy");
  const at = <S>(server: S, database: string) => ({ server, database });
  assert.deepEqual(await comparePostgres(at(postgres, "shop"), at(postgres, "copy")), []);
  assert.deepEqual(await compareMariadb(at(maria, "blog"), at(maria, "copy")), []);

  const metrics = await (await fetch(fleet.metricsUrl)).text();
  assert.match(metrics, /dbctl_rpo_state\{[^}]*database="shop"[^}]*\} 0/);

  const checked = await dbctl.ok("repo", "check", dbctl.repo, "--catalog");
  assert.deepEqual(checked["findings"], []);
  // Nothing in the store misses the newest backup of a host.
  const path = `${dbctl.repoFolder}/*/backups/${idOf("db2/blog")}`;
  for await (const folder of glob(path)) await rm(folder, { recursive: true });
  const check = await dbctl.run("repo", "check", dbctl.repo, "--catalog", "--json");
  assert.equal(check.code, 65);
  const found = check.document["findings"] as { kind: string; severity: string; object: string }[];
  const missing = found.filter(({ severity }) => severity === "damage");
  assert.deepEqual(
    missing.map(({ kind, object }) => [kind, object.split("/").at(-2)]),
    [["missing", idOf("db2/blog")]],
  );
});
