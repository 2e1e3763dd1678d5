import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { type GcsFake, startGcsFake } from "../../integration/fixtures/gcs-fake.ts";
import {
  makeScratchFolder,
  type ScratchFolder,
} from "../../integration/fixtures/scratch-folder.ts";
import {
  backUp,
  makeScratchRepository,
  readBack,
  signal,
} from "../../integration/fixtures/scratch-repository.ts";
import { createFilesystemStore } from "../store/filesystem/filesystem-store.ts";
import { openGcsStore } from "../store/gcs/gcs-store.ts";
import type { ObjectStore } from "../store/object-store.ts";
import { syncRepository } from "./sync-repository.ts";

let fake: GcsFake;
let folder: ScratchFolder;
const { env } = process;

before(async () => {
  fake = await startGcsFake();
  folder = await makeScratchFolder("sync");
  // The library reads its variable by itself.
  env["GOOGLE_APPLICATION_CREDENTIALS"] = `${folder.path}/key.json`;
  await writeFile(`${folder.path}/key.json`, fake.keyFile(`${folder.path}/subject`));
  await writeFile(`${folder.path}/subject`, "a host of ours");
});
after(async () => {
  delete env["GOOGLE_APPLICATION_CREDENTIALS"];
  await fake[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

test("syncRepository() copies between stores of different kinds, there and on", async () => {
  await using scratch = await makeScratchRepository();
  const streams = [[randomBytes(300_000), randomBytes(1000)], [randomBytes(2_000_000)]];
  const { header } = await backUp(scratch, { streams, isLogical: true, packBytes: 1 << 20 });
  const url = `gs://${fake.makeBucket({})}/a/prefix?endpoint=${fake.endpoint}`;
  const cloud = await openGcsStore(url, { env, signal });
  const disk = createFilesystemStore(`${folder.path}/copy`);
  const sync = async (from: ObjectStore, to: ObjectStore) => {
    const { repository } = scratch;
    const what = { from, to, repository, filter: {}, parallel: 4, at: new Date(), by: "test" };
    const how = { isDryRun: false, deletesExtraneous: false, onBytes: () => {}, signal };
    const { failures, copied } = await syncRepository({ ...what, ...how });
    assert.deepEqual(failures, []);
    return copied.objects;
  };
  const objects = await sync(scratch.store, cloud);
  assert.equal(await sync(cloud, disk), objects);
  assert.equal(await sync(scratch.store, disk), 0);
  const restored = await readBack({ ...scratch, store: disk }, header);
  assert.deepEqual(
    restored,
    streams.map((stream) => Buffer.concat(stream)),
  );
});
