import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { makeScratchFolder } from "../../integration/fixtures/scratch-folder.ts";
import { createFilesystemStore } from "../store/filesystem/filesystem-store.ts";
import { checkBackup } from "./check-backup.ts";
import { generateIdentity } from "./identity.ts";
import { initRepository } from "./init-repository.ts";
import { fileRecipient } from "./recipient.ts";
import { listBackups } from "./list-backups.ts";
import { openBackup } from "./open-backup.ts";
import { randomBytes } from "node:crypto";

const { signal } = new AbortController();
const here = (name: string) => JSON.stringify(import.meta.resolve(name));

/** Backs up without end: random chunks and repeated ones, in small packs. */
const script = (root: string, stateDir: string) => `
  const { createFilesystemStore } = await import(${here("../store/filesystem/filesystem-store.ts")});
  const { openRepository } = await import(${here("./open-repository.ts")});
  const { openHostState } = await import(${here("./host-state.ts")});
  const { openBackupWriter } = await import(${here("./backup-writer.ts")});
  const { ChunkWriter } = await import(${here("./chunk-writer.ts")});
  const { randomBytes } = await import("node:crypto");
  const { signal } = new AbortController();
  const store = createFilesystemStore(${JSON.stringify(root)});
  const repository = await openRepository(store, { signal });
  const source = { engine: "memory", version: "1", host: "h", database: "d" };
  for (;;) {
    const now = new Date();
    await using state = await openHostState({
      stateDir: ${JSON.stringify(stateDir)}, repository, instance: "7312", store, fresh: false, now, signal,
    });
    await using writer = await openBackupWriter({ store, repository, state, started: now, signal });
    const { epoch, indexPath } = state;
    await using chunks = new ChunkWriter({ store, epoch, indexPath, signal, packBytes: 5000 });
    chunks.beginStream();
    for (let n = 0; n < 10; n++) {
      chunks.add(new Uint8Array(1000).fill(n));
      chunks.add(randomBytes(1000));
    }
    await writer.addStream(0, chunks.endStream());
    const packs = await chunks.finish();
    const content = { body: {}, source, kind: "logical", state: "complete", finished: now, packs };
    await writer.commit(content);
    process.stdout.write(".");
  }`;

test("a backup that is killed anywhere leaves sound backups, and the next one goes on", async () => {
  await using folder = await makeScratchFolder("crash");
  const root = join(folder.path, "store");
  const store = createFilesystemStore(root);
  const { identity, recipient } = await generateIdentity();
  const repository = await initRepository(store, {
    recipients: [fileRecipient(recipient, { now: new Date() })],
    now: new Date(),
    signal,
  });
  let reported = 0;
  for (let run = 0; run < 5; run++) {
    const source = script(root, join(folder.path, "state"));
    const child = spawn(process.execPath, ["--input-type=module", "-e", source]);
    let errors = "";
    child.stderr.on("data", (text) => (errors += String(text)));
    child.stdout.on("data", (text) => (reported += String(text).length));
    const begun = once(child.stdout, "data", { signal: AbortSignal.timeout(30_000) });
    await Promise.race([begun, once(child, "exit")]);
    assert.equal(child.exitCode, null, errors);
    await sleep(randomBytes(1).readUInt8());
    child.kill("SIGKILL");
    await once(child, "exit");
  }
  const headers = await Array.fromAsync(listBackups(store, { signal }));
  // The last one may have been committed and killed before it could say so.
  assert.ok(headers.length >= reported && headers.length <= reported + 5);
  assert.equal(new Set(headers.map(({ epoch }) => epoch)).size, 1);
  assert.equal(new Set(headers.map(({ sequence }) => sequence)).size, headers.length);
  for (const header of headers) {
    const backup = await openBackup({ store, repository, header, keys: { identity }, signal });
    for await (const event of checkBackup(backup, { level: "full", signal }))
      assert.equal(event.kind, "progress", JSON.stringify(event));
  }
});
