import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { cp, glob, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { parseBackupBody } from "../../agent/backup/backup-body.ts";
import { generateIdentity, readIdentityFile } from "../../agent/repository/identity.ts";
import { listBackups } from "../../agent/repository/list-backups.ts";
import { openBackup } from "../../agent/repository/open-backup.ts";
import { openRepository } from "../../agent/repository/open-repository.ts";
import { readPruneRecord } from "../../agent/repository/prune-record.ts";
import { readStream } from "../../agent/repository/read-stream.ts";
import { createFilesystemStore } from "../../agent/store/filesystem/filesystem-store.ts";
import { makeScratchFolder, type ScratchFolder } from "../fixtures/scratch-folder.ts";
import { signal } from "../fixtures/scratch-repository.ts";
import {
  copyGolden,
  findGolden,
  type GoldenCopy,
  goldenFolder,
  goldenRepository,
  readGoldenBackups,
} from "./golden-repository.ts";

const execute = promisify(execFile);

/** SHA-256 of the golden folder: it is never made again. A new format gets a folder of its own. */
const frozen = "ef76b20663fbf0a5dfbddf546aad83ece595e108207f8337b478e24f83c32f5a";

test("the golden repository is the one that was frozen", async () => {
  const paths = (await Array.fromAsync(glob("**/*", { cwd: goldenFolder, withFileTypes: true })))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(goldenFolder.length + 1));
  const hash = createHash("sha256");
  for (const path of paths.toSorted()) {
    const bytes = await readFile(join(goldenFolder, path));
    hash.update(`${path}\n${bytes.length}\n`).update(bytes);
  }
  assert.equal(hash.digest("hex"), frozen);
});

describe("dbctl reads the golden repository", () => {
  let golden: GoldenCopy;
  before(async () => {
    golden = await copyGolden();
  });
  after(() => golden[Symbol.asyncDispose]());

  const listed = async (...flags: string[]) => {
    const { dbctl } = golden;
    const { backups } = await dbctl.ok("backups", "ls", "--repo", dbctl.repo, ...flags);
    return backups as { backup: string; state: string; held?: object; tags?: string[] }[];
  };

  test("it lists all backups, and knows what their marks say", async () => {
    const expected = new Map((await readGoldenBackups()).map(({ name, id }) => [id, name]));
    const says = async (...flags: string[]) =>
      (await listed(...flags)).map(({ backup, state, held, tags = [] }) => {
        const marks = [...(held === undefined ? [] : ["held"]), ...tags];
        return [expected.get(backup), state, ...marks].join(" ");
      });
    assert.deepEqual((await says()).toSorted(), [
      "deduplicated complete held",
      "mariadb complete",
      "partial partial golden",
    ]);
    assert.deepEqual(await says("--deleted"), ["first complete"]);
  });

  test("an identity and a passphrase open every epoch, and every byte is whole", async () => {
    const { dbctl, passphrase } = golden;
    const keys = ["--identity", dbctl.identity];
    const check = await dbctl.ok("repo", "check", dbctl.repo, "--depth", "full", ...keys);
    assert.deepEqual(check["findings"], []);
    for (const key of [keys, ["--passphrase-file", passphrase]]) {
      const { epochs } = await dbctl.ok("repo", "keys", "check", dbctl.repo, ...key);
      const verdicts = (epochs as { verdict: string }[]).map(({ verdict }) => verdict);
      assert.deepEqual(verdicts, ["opens", "opens", "opens"]);
      const all = await dbctl.run("verify", "--all", "--repo", dbctl.repo, ...key, "--json");
      assert.equal(all.code, 0, all.stderr);
    }
  });

  test("what a prune has seen is read, and names every epoch", async () => {
    const store = createFilesystemStore(goldenRepository);
    const { id: repository } = await openRepository(store, { signal });
    const record = await readPruneRecord(store, { repository, number: 1 }, { signal });
    const headers = await Array.fromAsync(listBackups(store, { signal }));
    const [seen, there] = [record.epochs, headers].map((some) => some.map(({ epoch }) => epoch));
    assert.deepEqual(seen?.toSorted(), [...new Set(there)].toSorted());
    const last = record.chains.map(({ sequence }) => sequence);
    assert.deepEqual(new Set(last), new Set([1, 3]));
  });

  test("the streams of every table are what the server had", async () => {
    const store = createFilesystemStore(goldenRepository);
    const repository = await openRepository(store, { signal });
    const identity = await readIdentityFile(golden.dbctl.identity);
    const expected = new Map((await readGoldenBackups()).map((one) => [one.id, one.tables]));
    const parts = { store, repository, keys: { identity }, signal };
    let tables = 0;
    for await (const header of listBackups(store, { signal })) {
      if (header.source.engine !== "postgres") continue;
      const backup = await openBackup({ ...parts, header });
      const { streams, body } = backup;
      for (const table of parseBackupBody({ body, streams }).tables) {
        const { schema, name, format } = table.data;
        const isBinary = format === "postgres-copy-binary";
        const hash = createHash("sha256").update(isBinary ? copyHeader : "");
        for (const stream of table.streams) {
          const map = await backup.streamMap(stream);
          const pieces = readStream({ store, epoch: backup.epoch, map, signal });
          for await (const piece of pieces) hash.update(piece);
        }
        hash.update(isBinary ? copyTrailer : "");
        const file = `${encodeURIComponent(schema)}.${encodeURIComponent(name)}.copy`;
        const found = expected.get(header.id)?.[`${file}.${isBinary ? "bin" : "txt"}`];
        assert.equal(hash.digest("hex"), found, `${header.id} ${name}`);
        tables++;
      }
    }
    assert.equal(tables, 24);
  });
});

const copyHeader = Buffer.from("PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0", "latin1");
const copyTrailer = Buffer.from([0xff, 0xff]);

describe("the stand-alone reader", () => {
  let scratch: ScratchFolder;
  before(async () => {
    scratch = await makeScratchFolder("golden");
  });
  after(() => scratch[Symbol.asyncDispose]());

  const reader = fileURLToPath(new URL("read-repository.mjs", import.meta.url));
  const identity = join(goldenFolder, "test-identity.txt");
  const passphrase = join(goldenFolder, "test-passphrase.txt");
  const read = (...args: string[]) => execute(process.execPath, [reader, ...args]);

  /** SHA-256 of each table's file that the reader has written. */
  async function hashFiles(folder: string) {
    const files = (await readdir(folder)).filter((name) => !name.endsWith(".json"));
    const hash = async (name: string): Promise<[string, string]> => [
      name,
      createHash("sha256")
        .update(await readFile(join(folder, name)))
        .digest("hex"),
    ];
    return Object.fromEntries(await Promise.all(files.map(hash)));
  }

  for (const name of ["first", "deduplicated", "partial", "mariadb"] as const)
    test(`it writes the tables of the backup "${name}" as the server had them`, async () => {
      const { id, tables } = await findGolden(name);
      const out = join(scratch.path, name);
      const { stdout } = await read(goldenRepository, identity, id, out);
      assert.match(stdout, new RegExp(`^${id} ${name === "partial" ? "partial" : "complete"}`));
      assert.deepEqual(await hashFiles(out), tables);
      const objects = JSON.parse(await readFile(join(out, "objects.json"), "utf8")) as {
        objects: { kind: string }[];
        unsupported: { name: string }[];
      };
      assert.ok(objects.objects.some(({ kind }) => kind === "view"));
      assert.deepEqual(
        objects.unsupported.map(({ name: missing }) => missing),
        name === "partial" ? ["1, the first is 4711"] : [],
      );
    });

  test("a passphrase opens the newest backup that is not deleted", async () => {
    const { id, tables } = await findGolden("mariadb");
    const out = join(scratch.path, "newest");
    assert.match((await read(goldenRepository, passphrase, out)).stdout, new RegExp(`^${id}`));
    assert.deepEqual(await hashFiles(out), tables);
  });

  test("a key that opens nothing here is refused, and so is a wrong passphrase", async () => {
    const other = join(scratch.path, "other.txt");
    const out = join(scratch.path, "nothing");
    const { identity: secret } = await generateIdentity();
    for (const text of [secret.reveal(), "another passphrase"]) {
      await writeFile(other, text, { mode: 0o600 });
      await assert.rejects(read(goldenRepository, other, out), /not sealed to what was given/);
      await assert.rejects(readdir(out), { code: "ENOENT" });
    }
  });

  test("whatever byte of a backup is flipped, it refuses", async () => {
    const { id } = await findGolden("first");
    const paths = await Array.fromAsync(
      glob(`{*/backups/${id}/*,*/packs/*/*,~control/epochs/*/*/*}`, { cwd: goldenRepository }),
    );
    const repository = join(scratch.path, "flipped");
    await cp(goldenRepository, repository, { recursive: true });
    const used = await usedObjects(id, paths);
    for (const path of used) {
      const whole = await readFile(join(repository, path));
      // Of a pack the first frame, since its index is not needed; of others beginning and end, too.
      const places = path.includes("/packs/") ? [48] : [9, whole.length >> 1, whole.length - 1];
      for (const at of places) {
        const bytes = Buffer.from(whole);
        bytes[at] = (bytes[at] ?? 0) ^ 1;
        await writeFile(join(repository, path), bytes);
        const out = join(scratch.path, `${path.replaceAll("/", "-")}-${at}`);
        await assert.rejects(read(repository, identity, id, out), `${path}, byte ${at}`);
      }
      await writeFile(join(repository, path), whole);
    }
    await read(repository, identity, id, join(scratch.path, "whole"));
    assert.equal(used.length, 4);
  });

  /** Of these objects, those that the backup needs: manifest, map, pack, its epoch's key. */
  async function usedObjects(id: string, paths: string[]): Promise<string[]> {
    const store = createFilesystemStore(goldenRepository);
    const headers = await Array.fromAsync(listBackups(store, { signal }));
    const header = headers.find((one) => one.id === id);
    const names = header?.packs.map(({ pack }) => pack) ?? [];
    const isUsed = (path: string) =>
      path.includes(id) ||
      path.includes(`epochs/${header?.instance}/${header?.epoch}`) ||
      names.some((pack) => path.endsWith(pack));
    return paths.filter(isUsed);
  }
});
