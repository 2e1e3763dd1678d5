import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import { createFilesystemStore } from "../agent/store/filesystem/filesystem-store.ts";
import { openHostState } from "../agent/repository/host-state.ts";
import { openRepository } from "../agent/repository/open-repository.ts";
import { type DbctlScratch, makeDbctlScratch } from "./fixtures/run-dbctl.ts";
import { backUp, makeScratchRepository, signal } from "./fixtures/scratch-repository.ts";

/** Backups of two databases in the command line's own repository, an hour apart. Their ids. */
async function fill({ repoFolder, stateDir }: DbctlScratch): Promise<string[]> {
  const store = createFilesystemStore(repoFolder);
  const repository = await openRepository(store, { signal });
  await using scratch = await makeScratchRepository();
  const hostOf: typeof scratch.hostOf = async (spec) => {
    const now = spec?.at ?? new Date();
    const where = { stateDir: join(stateDir, "host"), repository, instance: "7312", store };
    return await openHostState({ ...where, fresh: false, now, signal });
  };
  const of = { ...scratch, store, repository, hostOf };
  const ids: string[] = [];
  for (const [n, database] of ["shop", "shop", "blog"].entries()) {
    const at = new Date(Date.now() + n * 3600 * 1000);
    const streams = [[Buffer.from(database.repeat(300)), Buffer.from(`${n}`)]];
    ids.push((await backUp(of, { database, streams, at })).header.id);
  }
  return ids;
}

const listed = async ({ ok, repo }: DbctlScratch, ...flags: string[]) => {
  const { backups } = await ok("backups", "ls", "--repo", repo, ...flags);
  return (backups as { backup: string }[]).map(({ backup }) => backup);
};

describe("dbctl backups", () => {
  test("rm says what it would do, does it with --confirm, and undelete takes it back", async () => {
    await using dbctl = await makeDbctlScratch();
    const { ok, run, repo } = dbctl;
    const [first = "", second = "", blog = ""] = await fill(dbctl);
    const dry = await ok("backups", "rm", first, "--repo", repo);
    assert.equal(dry["confirmed"], false);
    assert.deepEqual(await listed(dbctl), [first, second, blog]);
    const done = await ok("backups", "rm", first, "--repo", repo, "--confirm", "--reason", "why");
    const [{ until }] = done["backups"] as [{ until: string }];
    const left = Date.parse(until) - Date.now();
    assert.ok(Math.abs(left - 7 * 86_400_000) < 60_000, until);
    assert.deepEqual(await listed(dbctl), [second, blog]);
    assert.deepEqual(await listed(dbctl, "--deleted"), [first]);
    const restore = ["restore", first, "--repo", repo, "--identity", dbctl.identity];
    const refused = await run(...restore, "--to", "postgres://nobody@127.0.0.1:1/x", "--json");
    assert.equal(refused.document.error.code, "backup-unknown");
    assert.match(refused.document.error.remedy, new RegExp(`dbctl backups undelete ${first}`));
    await ok("backups", "undelete", first, "--repo", repo);
    assert.deepEqual(await listed(dbctl), [first, second, blog]);
  });

  test("rm refuses the last good one, one that is held, and a window under a day", async () => {
    await using dbctl = await makeDbctlScratch();
    const { ok, run, repo } = dbctl;
    const [first = "", second = "", blog = ""] = await fill(dbctl);
    const rm = (id: string, ...flags: string[]) =>
      run("backups", "rm", id, "--repo", repo, "--confirm", "--json", ...flags);
    const last = await rm(blog);
    assert.deepEqual([last.code, last.document.error.code], [77, "access-denied"]);
    assert.match(last.document.error.remedy, /--last-one/);
    await ok("backups", "hold", second, "--repo", repo, "--reason", "case 7");
    const held = await rm(second);
    assert.match(held.document.error.message, /holds it \(case 7\)/);
    assert.equal((await rm(first, "--undelete-window", "7")).code, 2);
    assert.equal((await rm(first, "--undelete-window", "23h")).code, 2);
    assert.deepEqual(await listed(dbctl), [first, second, blog]);
    await ok("backups", "release", second, "--repo", repo);
    await ok("backups", "rm", second, "--repo", repo, "--confirm", "--no-undelete");
    // Now the first one is the last one.
    assert.equal((await rm(first)).code, 77);
    await ok("backups", "rm", first, "--repo", repo, "--confirm", "--last-one");
    assert.deepEqual(await listed(dbctl), [blog]);
  });

  test("tag gives and takes a tag", async () => {
    await using dbctl = await makeDbctlScratch();
    const { ok, run, repo } = dbctl;
    const [first = ""] = await fill(dbctl);
    assert.deepEqual((await ok("backups", "tag", first, "v2", "--repo", repo))["tags"], ["v2"]);
    const { stdout } = await run("backups", "ls", "--repo", repo);
    assert.match(stdout, new RegExp(`${first} .*complete, v2`));
    const without = await ok("backups", "tag", first, "v2", "--remove", "--repo", repo);
    assert.equal(without["tags"], undefined);
  });
});

test("dbctl repo prune shows what waits and why, and does nothing by itself", async () => {
  await using dbctl = await makeDbctlScratch();
  const { ok, run, repo } = dbctl;
  const [first = "", second = ""] = await fill(dbctl);
  await ok("backups", "rm", first, "--repo", repo, "--confirm", "--no-undelete");
  const dry = await ok("repo", "prune", repo);
  assert.deepEqual(dry["planned"], { backups: 0, objects: 0, bytes: 0 });
  const [waiting] = dry["backups"] as { backup: string; act: string; why: string }[];
  assert.deepEqual([waiting?.backup, waiting?.act, waiting?.why], [first, "wait", "young"]);
  await ok("repo", "prune", repo, "--confirm");
  assert.deepEqual(await listed(dbctl, "--deleted"), [first]);
  const text = await run("repo", "prune", repo);
  assert.match(text.stdout, new RegExp(`${first} of h/shop: younger than a day, until `));
  assert.match(text.stdout, /open: in use/);
  await ok("backups", "hold", second, "--repo", repo);
  assert.match((await run("repo", "prune", repo)).stdout, new RegExp(`${second} of h/shop: held`));
});

test("dbctl retention apply needs a rule, and says what would go before it does it", async () => {
  await using dbctl = await makeDbctlScratch();
  const { ok, run, repo } = dbctl;
  const ids = await fill(dbctl);
  assert.equal((await run("retention", "apply", "--repo", repo)).code, 2);
  const rule = ["retention", "apply", "--repo", repo, "--keep-last", "1"];
  const dry = await ok(...rule);
  assert.deepEqual([dry["confirmed"], dry["deleted"]], [false, []]);
  // All of them are younger than a day.
  assert.deepEqual((await ok(...rule, "--confirm"))["deleted"], []);
  assert.deepEqual(await listed(dbctl), ids);
  const unknown = await run(...rule, "--database", "h/none", "--json");
  assert.equal(unknown.document.error.code, "database-unknown");
});
