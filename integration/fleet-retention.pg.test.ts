import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { openDatabase } from "../controller/database/database.ts";
import { type Fleet, startFleet } from "./fixtures/fleet.ts";
import { psql } from "./fixtures/psql.ts";
import { type PostgresServer, startPostgres } from "./fixtures/postgres-server.ts";
import { type Document, finish, type Run } from "./fixtures/run-dbctl.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
/** A machine's clock may be a day ahead of the store's; so long is left for what takes time. */
const slackMs = 12_000;
const aheadMs = 24 * 3600_000 - slackMs;

/** The command line a day later. */
async function tomorrow({ dbctl }: Fleet, ...args: string[]): Promise<Run> {
  const shift = join(root, "integration/fixtures/shifted-clock.ts");
  const command = ["--import", shift, join(root, "cli/main.ts"), ...args, "--json"];
  const { login: DBCTL_LOGIN, stateDir: DBCTL_STATE_DIR, folder: HOME } = dbctl;
  const own = { DBCTL_LOGIN, DBCTL_STATE_DIR, HOME, DBCTL_TEST_AHEAD_MS: String(aheadMs) };
  const stdio = ["ignore", "pipe", "pipe"] as const;
  return await finish(
    spawn(process.execPath, command, { env: { ...process.env, ...own }, stdio: [...stdio] }),
  );
}

interface Backup {
  backup: string;
  repository: string;
  deleted: string | null;
  undelete_until: string | null;
  removed: string | null;
  held: string | null;
  damaged: boolean;
  damages: string[];
  checked: { depth: string; bytes: number } | null;
}

interface Applied {
  repositories: { repository: string; going: string[]; deleted: string[]; waiting: unknown[] }[];
}

async function listBackups({ dbctl }: Fleet, ...flags: string[]): Promise<Backup[]> {
  const { backups } = await dbctl.ok("backups", "ls", ...flags);
  return backups as Backup[];
}

async function copiesOf({ dbctl }: Fleet) {
  const shown = await dbctl.ok("databases", "show", "db1/shop");
  const { copies, state } = shown["recoverability"] as {
    state: string;
    copies: { repository: string; backup: string; good: boolean; verified: boolean }[];
  };
  return { state, copies };
}

/** A fleet whose policy writes `shop` to two repositories, and has done so twice. */
async function protectShop(fleet: Fleet, server: PostgresServer) {
  const { dbctl } = fleet;
  await psql(server, "postgres", "create database shop");
  await psql(
    server,
    "shop",
    "create table t as select n, md5(n::text) from generate_series(1, 900) n",
  );
  const far = `file://${join(dbctl.folder, "far")}`;
  const farIdentity = join(dbctl.folder, "far.txt");
  await dbctl.ok("repo", "init", far, "--identity-out", farIdentity);
  await fleet.addAgent("db1", [{ name: "main", url: server.url("") }]);
  const policy = { name: "gold", select: "database=shop", schedule: "0 3 * * *", rpo: "27h" };
  const retention = { keep_last: 1 };
  const file = join(dbctl.folder, "policies.yaml");
  await writeFile(
    file,
    JSON.stringify([{ ...policy, repositories: [dbctl.repo, far], retention }]),
  );
  await dbctl.ok("policies", "apply", "-f", file);
  for (const rows of [0, 200]) {
    await psql(
      server,
      "shop",
      `insert into t select n, md5(n::text) from generate_series(1, ${rows}) n`,
    );
    await dbctl.ok("backup", "--all", "--wait");
  }
  const madeAt = Date.now();
  // By the catalog the first run was three days ago and the second two; by the store it was now.
  await using db = await openDatabase(join(dbctl.folder, "controller", "catalog.db"));
  const rows = await db.all(
    "select id, repository_url as url from backups order by committed_at, id",
  );
  for (const [n, { id }] of rows.entries()) {
    const at = new Date(Date.now() - (n < 2 ? 3 : 2) * 86_400_000 + n).toISOString();
    await db.run("update backups set committed_at = :at where id = :id", { at, id: String(id) });
  }
  const of = (url: string) =>
    rows.filter((row) => row["url"] === url).map((row) => String(row["id"]));
  const [nearOld = "", nearNew = ""] = of(dbctl.repo);
  const [farOld = "", farNew = ""] = of(far);
  return { madeAt, far, farIdentity, nearOld, nearNew, farOld, farNew };
}

test("a fleet keeps two copies, deletes what its policy does not keep, and knows what was looked at", async () => {
  await using server = await startPostgres(15);
  await using fleet = await startFleet();
  const { dbctl } = fleet;
  const made = await protectShop(fleet, server);
  const { far, nearOld, nearNew, farOld, farNew } = made;
  const { state, copies } = await copiesOf(fleet);
  assert.equal(state, "ok");
  assert.deepEqual(
    copies.map(({ repository, backup, good }) => [repository, backup, good]),
    [
      [dbctl.repo, nearNew, true],
      [far, farNew, true],
    ],
  );

  const preview = await dbctl.ok("policies", "preview", "db1/shop");
  const groups = preview["databases"] as { backups: { backup: string; kept: boolean }[] }[];
  const goes = groups.flatMap((group) => group.backups.filter(({ kept }) => !kept));
  assert.deepEqual(goes.map(({ backup }) => backup).toSorted(), [farOld, nearOld].toSorted());

  // Today the repository still calls all of them young, whatever the catalog says.
  const today = (await dbctl.ok(
    "retention",
    "apply",
    "--fleet",
    "--confirm",
  )) as unknown as Applied;
  assert.deepEqual(
    today.repositories.flatMap(({ deleted }) => deleted),
    [],
  );
  await sleep(Math.max(0, made.madeAt + slackMs + 500 - Date.now()));
  const apply = async (...flags: string[]) => {
    const { code, stderr, document } = await tomorrow(
      fleet,
      "retention",
      "apply",
      "--fleet",
      ...flags,
    );
    assert.equal(code, 0, stderr);
    return (document as Document & Applied).repositories.flatMap(({ deleted, going }) =>
      flags.includes("--confirm") ? deleted : going,
    );
  };
  assert.deepEqual((await apply()).toSorted(), [farOld, nearOld].toSorted());
  assert.equal((await listBackups(fleet)).length, 4);

  await dbctl.ok("backups", "hold", nearOld, "--repo", dbctl.repo, "--reason", "case 7");
  assert.deepEqual(await apply("--confirm"), [farOld]);
  const [deleted, ...others] = await listBackups(fleet, "--deleted");
  assert.deepEqual([deleted?.backup, others], [farOld, []]);
  assert.ok(Date.parse(deleted?.undelete_until ?? "") > Date.now() + 6 * 86_400_000);
  assert.equal((await dbctl.ok("backups", "show", nearOld))["held"], "case 7");

  // An undeleted one is a backup again, once the pruner has looked.
  await dbctl.ok("backups", "undelete", farOld, "--repo", far);
  await dbctl.ok("backups", "hold", farOld, "--repo", far);
  assert.deepEqual(await apply("--confirm"), []);
  assert.deepEqual(await listBackups(fleet, "--deleted"), []);

  // What an operator deletes for good is removed, and the catalog learns of that as well.
  await dbctl.ok("backups", "release", nearOld, "--repo", dbctl.repo);
  const rm = ["backups", "rm", nearOld, "--repo", dbctl.repo, "--no-undelete", "--confirm"];
  await dbctl.ok(...rm);
  await apply("--confirm");
  const [removed] = await listBackups(fleet, "--deleted");
  assert.equal(removed?.backup, nearOld);
  assert.notEqual(removed.removed, null);
  assert.equal((await dbctl.run("verify", nearOld, "--depth", "quick", "--json")).code, 66);

  await findDamage(fleet, made);
});

/** Damages the newest copy of one repository by hand: only a close look sees it. */
async function findDamage(
  fleet: Fleet,
  { farNew, farOld, farIdentity, nearNew }: Awaited<ReturnType<typeof protectShop>>,
): Promise<void> {
  const { dbctl } = fleet;
  await flipNewestPack(join(dbctl.folder, "far"));
  const verify = (id: string, depth: string, identity: string) =>
    dbctl.run("verify", id, "--depth", depth, "--wait", "--identity", identity, "--json");
  assert.equal((await verify("db1/shop:latest", "quick", farIdentity)).code, 0);
  assert.equal((await verify(farNew, "full", farIdentity)).code, 65);
  // A look that cannot see it does not make it good again.
  assert.equal((await verify(farNew, "quick", farIdentity)).code, 0);
  assert.equal((await verify(nearNew, "full", dbctl.identity)).code, 0);
  const backups = await listBackups(fleet);
  const found = backups.find(({ backup }) => backup === farNew);
  assert.ok(found?.damaged && found.checked?.depth === "quick");
  assert.match(found.damages[0] ?? "", /packs/);
  const { copies } = await copiesOf(fleet);
  assert.deepEqual(
    copies.map(({ backup, verified }) => [backup, verified]),
    [
      [nearNew, true],
      [farOld, false],
    ],
  );
}

async function flipNewestPack(folder: string): Promise<void> {
  const names = await readdir(folder, { recursive: true });
  const packs = names.filter((name) => name.includes("/packs/"));
  const files = await Promise.all(
    packs.map(async (name) => ({ path: join(folder, name), info: await stat(join(folder, name)) })),
  );
  const [newest] = files
    .filter(({ info }) => info.isFile())
    .toSorted((a, b) => b.info.mtimeMs - a.info.mtimeMs);
  assert.ok(newest !== undefined);
  const bytes = await readFile(newest.path);
  bytes[40] = (bytes[40] ?? 0) ^ 1;
  await writeFile(newest.path, bytes);
}
