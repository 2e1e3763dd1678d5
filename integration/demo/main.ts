/**
 * `npm start`: the main job on real servers. Two PostgreSQL majors and a MariaDB are started, filled,
 * backed up, changed, backed up again, restored beside the originals and compared table by table;
 * then a byte of a copy of the repository is flipped, and `verify` has to name the object.
 */
import { cp, rm } from "node:fs/promises";
import { type DbctlScratch, type Document, makeDbctlScratch } from "../fixtures/run-dbctl.ts";
import { flipOneByte } from "./flip-one-byte.ts";
import { Narrator } from "./narrator.ts";
import { type Source, startSources } from "./sources.ts";

const megabytes = 150;

const narrator = new Narrator();
try {
  await demonstrate();
} catch (error) {
  narrator.fail(error);
}
narrator.end();

async function demonstrate(): Promise<void> {
  await using dbctl = await makeDbctlScratch({ init: false });
  await using sources = await narrator.step(
    "Start two PostgreSQL majors and a MariaDB, fill each with a shop",
    () => startSources(megabytes),
  );
  for (const name of sources.missing) narrator.note(`${name} is not installed here: left out`);
  await narrator.step("Initialise a repository: dbctl repo init", () =>
    dbctl.ok("repo", "init", dbctl.repo, "--identity-out", dbctl.identity),
  );
  const latest = await backUpTwice(dbctl, sources.all);
  for (const [source, backup] of latest) await restoreBeside(dbctl, { source, backup });
  for (const backup of latest.values()) await damageACopy(dbctl, backup);
}

/** Gives the newest backup of each source. */
async function backUpTwice(dbctl: DbctlScratch, sources: Source[]): Promise<Map<Source, Document>> {
  const first = new Map<Source, Document>();
  const second = new Map<Source, Document>();
  const backUp = (source: Source) => dbctl.ok("backup", source.url, "--repo", dbctl.repo);
  for (const source of sources) {
    const backup = await narrator.step(`Back up ${source.name}: dbctl backup`, () =>
      backUp(source),
    );
    first.set(source, backup);
    narrator.figure(source.name, "first", { ...backup.bytes, seconds: Number(backup["seconds"]) });
  }
  await narrator.step("Append 1 % of the rows, and update 1 % among the newest tenth", () =>
    Promise.all(sources.map((source) => source.change())),
  );
  for (const source of sources) {
    const backup = await narrator.step(`Back up ${source.name} again`, () => backUp(source));
    second.set(source, backup);
    const share = backup.bytes.stored / (first.get(source)?.bytes.stored ?? 1);
    const seconds = Number(backup["seconds"]);
    narrator.figure(source.name, "second", { ...backup.bytes, seconds, share });
    narrator.check(`the second backup stores less than 15 % of the first`, share < 0.15);
  }
  return second;
}

async function restoreBeside(
  { ok, repo, identity }: DbctlScratch,
  { source, backup }: { source: Source; backup: Document },
): Promise<void> {
  const to = ["--to", source.copyUrl, "--create", "--identity", identity];
  const { seconds } = await narrator.step(`Restore ${source.name} beside it: dbctl restore`, () =>
    ok("restore", backup.backup, "--repo", repo, ...to),
  );
  narrator.figure(source.name, "restore", { seconds: Number(seconds) });
  const differences = await narrator.step("Compare every table of original and copy", () =>
    source.compare(),
  );
  for (const line of differences) narrator.note(line);
  narrator.check("all tables are equal", differences.length === 0);
}

async function damageACopy(dbctl: DbctlScratch, { backup, instance }: Document): Promise<void> {
  const { repo, repoFolder, identity, run } = dbctl;
  const verify = (url: string) =>
    run("verify", backup, "--repo", url, "--identity", identity, "--json");
  const whole = await narrator.step(`Verify ${backup}: dbctl verify`, () => verify(repo));
  narrator.check("the backup is whole", whole.code === 0);
  const copy = `${repoFolder}-copy`;
  await cp(repoFolder, copy, { recursive: true });
  const object = await flipOneByte(copy, String(instance));
  const damaged = await narrator.step("Flip one bit in a copy of the repository, verify that", () =>
    verify(`file://${copy}`),
  );
  const { message } = damaged.document.error;
  narrator.note(message);
  const held = damaged.code === 65 && message.includes(object);
  narrator.check("verify fails and names the damaged object", held);
  await rm(copy, { recursive: true });
}
