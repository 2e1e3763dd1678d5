import assert from "node:assert/strict";
import { test } from "node:test";
import { type MemoryScratch, makeMemoryScratch } from "../../agent/backup/memory-scratch.ts";
import { createMemoryDatabase } from "../../agent/engines/memory/engine.ts";
import { addRecipient } from "../../agent/keys/change-recipients.ts";
import { rotateEpochs } from "../../agent/keys/rotate-epochs.ts";
import { deleteBackup } from "../../agent/marks/delete-backup.ts";
import { pruneRepository } from "../../agent/prune/prune-repository.ts";
import { generateIdentity } from "../../agent/repository/identity.ts";
import { initRepository } from "../../agent/repository/init-repository.ts";
import { listBackups } from "../../agent/repository/list-backups.ts";
import type { BackupHeader } from "../../agent/repository/manifest.ts";
import { openRepository } from "../../agent/repository/open-repository.ts";
import { readAllMarks } from "../../agent/repository/read-all-marks.ts";
import { readMarkState } from "../../agent/repository/read-marks.ts";
import { fileRecipient } from "../../agent/repository/recipient.ts";
import { createMemoryStore } from "../../agent/store/memory/memory-store.ts";
import type { ObjectStore } from "../../agent/store/object-store.ts";
import { syncRepository } from "../../agent/sync/sync-repository.ts";
import { verifyBackups, type VerifyRequest } from "../../agent/verify/verify-backups.ts";
import { collectVerifyResult } from "../../agent/verify/verify-result.ts";
import { DbctlError } from "../../core/errors.ts";
import { Secret } from "../../core/secret.ts";
import { signal } from "../fixtures/scratch-repository.ts";
import { failCall, failures } from "./failing-call.ts";

const rows = Array.from({ length: 300 }, (_, n) => `row ${n}`);
const now = new Date();

/** One thing that is done through the store, and what must hold whether it failed or not. */
interface Scenario {
  act: (store: ObjectStore) => Promise<void>;
  /** Of what the failed run has left; `done`: it reported success. */
  hold: (done: boolean) => Promise<void>;
}

/** For every n and every way to fail: the nth call fails; then a clean run has to succeed. */
function sweep(
  title: string,
  prepare: () => Promise<{ scenario: Scenario } & AsyncDisposable & { store: ObjectStore }>,
) {
  for (const how of failures)
    test(`${title}: every call of the store fails once (${how})`, async () => {
      for (let call = 0; ; call++) {
        await using prepared = await prepare();
        const { store, state } = failCall(prepared.store, { call, how });
        const done = await succeeds(() => prepared.scenario.act(store));
        await prepared.scenario.hold(done);
        if (!state.met) {
          assert.ok(done, "without a failure it succeeds");
          assert.ok(call > 1);
          return;
        }
        assert.ok(
          await succeeds(() => prepared.scenario.act(prepared.store)),
          `after call ${call}`,
        );
        await prepared.scenario.hold(true);
      }
    });
}

/** A failure has to be one of ours, with a remedy, and no claim that something is damaged. */
async function succeeds(act: () => Promise<void>): Promise<boolean> {
  try {
    await act();
    return true;
  } catch (reason) {
    const error = DbctlError.from(reason);
    assert.notEqual(error.code, "internal-bug", String(error.stack));
    assert.ok(error.remedy !== "");
    return false;
  }
}

async function withBackups(count: number, clock = { now }): Promise<MemoryScratch> {
  const scratch = await makeMemoryScratch({ storeClock: () => clock.now });
  scratch.server.databases.set("shop", createMemoryDatabase({ orders: rows, empty: [] }));
  for (let n = 0; n < count; n++) await scratch.backUp("shop");
  return scratch;
}

async function damagesOf(what: Pick<VerifyRequest, "store" | "repository" | "headers" | "keys">) {
  const request: VerifyRequest = { ...what, depth: { kind: "full" }, signal };
  return (await collectVerifyResult(request, verifyBackups(request), { at: now })).damages;
}

/** Everything that is listed is whole. */
async function verifyAll({ store, identity }: { store: ObjectStore; identity: Secret }) {
  const repository = await openRepository(store, { signal });
  const headers = await Array.fromAsync(listBackups(store, { signal }));
  assert.deepEqual(await damagesOf({ store, repository, headers, keys: { identity } }), []);
  return headers;
}

/** Everything that is listed is whole, and can be restored unless it was deleted. */
async function restoreAll(scratch: MemoryScratch, identity = scratch.identity): Promise<number> {
  const { store, server } = scratch;
  const headers = await verifyAll({ store, identity });
  const repository = await openRepository(store, { signal });
  const marks = await readAllMarks(store, { repository: repository.id, signal });
  const isDeleted = ({ instance, id }: BackupHeader) =>
    marks.get(`${instance}/${id}`)?.deleted !== undefined;
  for (const [n, header] of headers.entries()) {
    if (isDeleted(header)) continue;
    await scratch.restore(header.id, `check${n}`);
    const restored = server.databases.get(`check${n}`)?.tables.get("orders");
    assert.deepEqual(restored?.toSorted(), rows.toSorted());
    server.databases.delete(`check${n}`);
  }
  return headers.length;
}

sweep("a backup", async () => {
  const scratch = await withBackups(1);
  let reported = 1;
  const act = async (store: ObjectStore) => {
    await scratch.backUp("shop", { store });
    reported += 1;
  };
  const hold = async () => {
    const there = await restoreAll(scratch);
    // One whose last answer was lost may be there although it could not be reported.
    assert.ok(there >= reported && there <= reported + 1, `${there} of ${reported}`);
  };
  return { ...scratch, scenario: { act, hold } };
});

sweep("a restore", async () => {
  const scratch = await withBackups(1);
  const [header] = await scratch.list();
  const act = async (store: ObjectStore) => {
    scratch.server.databases.delete("copy");
    await scratch.restore(header?.id ?? "", "copy", { store });
  };
  const hold = async (done: boolean) => {
    const copy = scratch.server.databases.get("copy")?.tables.get("orders");
    if (done) assert.deepEqual(copy?.toSorted(), rows.toSorted());
    assert.equal(scratch.server.sessions, 0);
  };
  return { ...scratch, scenario: { act, hold } };
});

sweep("a verification", async () => {
  const scratch = await withBackups(1);
  const [header] = await scratch.list();
  const act = async (store: ObjectStore) => {
    assert.ok(header !== undefined);
    const repository = await openRepository(store, { signal });
    const keys = { identity: scratch.identity };
    const damages = await damagesOf({ store, repository, headers: [header], keys });
    // What could not be read is told as damage; it must not pass for sound.
    if (damages.length > 0)
      throw new DbctlError("repository-damaged", "Cannot trust it", { remedy: "Look again" });
  };
  return { ...scratch, scenario: { act, hold: async () => {} } };
});

sweep("a deletion and a prune", async () => {
  const clock = { now };
  const scratch = await withBackups(2, clock);
  const [first] = await scratch.list();
  clock.now = new Date(+now + 2 * 24 * 3600 * 1000);
  const act = async (store: ObjectStore) => {
    assert.ok(first !== undefined);
    const repository = await openRepository(store, { signal });
    const marking = { store, by: "test", reason: "", now: clock.now, signal };
    const { deleted } = await readMarkState(scratch.store, first, { signal });
    if (deleted === undefined)
      await deleteBackup(first, { ...marking, window: 0, lastOne: false, confirm: true });
    const options = { store, repository: repository.id, by: "test", confirm: true, signal };
    await Array.fromAsync(pruneRepository({ ...options, now: () => clock.now }));
  };
  const hold = async (done: boolean) => {
    const left = await restoreAll(scratch);
    assert.ok(left === 1 || (left === 2 && !done), `${left} backups are left`);
  };
  return { ...scratch, scenario: { act, hold } };
});

sweep("a change of keys", async () => {
  const scratch = await withBackups(2);
  const fresh = await generateIdentity();
  const identity = new Secret(`${scratch.identity.reveal()}\n${fresh.identity.reveal()}`);
  const act = async (store: ObjectStore) => {
    let repository = await openRepository(store, { signal });
    if (repository.recipients.length === 1) {
      const added = fileRecipient(fresh.recipient, { now });
      repository = await addRecipient({ store, repository, signal }, added);
    }
    const { list } = repository;
    await Array.fromAsync(rotateEpochs({ store, repository, list, identity, signal }));
  };
  const hold = async (done: boolean) => {
    assert.equal(await restoreAll(scratch, identity), 2);
    if (done) assert.equal(await restoreAll(scratch, fresh.identity), 2);
  };
  return { ...scratch, scenario: { act, hold } };
});

sweep("a copy", async () => {
  const scratch = await withBackups(2);
  const copy = createMemoryStore();
  const act = async (to: ObjectStore) => {
    const { store: from } = scratch;
    const repository = await openRepository(from, { signal });
    const { failures: failed } = await syncRepository({
      from,
      to,
      repository,
      filter: {},
      parallel: 2,
      isDryRun: false,
      deletesExtraneous: false,
      by: "test",
      at: now,
      onBytes: () => {},
      signal,
    });
    const [first] = failed;
    if (first !== undefined) throw new DbctlError("failed", first.what, { remedy: "Run it again" });
  };
  const hold = async (done: boolean) => {
    const isRepository = (await copy.head("repository.json", { signal })) !== undefined;
    if (isRepository || done) {
      const there = await verifyAll({ store: copy, identity: scratch.identity });
      if (done) assert.equal(there.length, 2);
    }
  };
  return {
    store: copy,
    scenario: { act, hold },
    [Symbol.asyncDispose]: scratch[Symbol.asyncDispose],
  };
});

sweep("the making of a repository", async () => {
  const store = createMemoryStore();
  const { recipient } = await generateIdentity();
  const act = async (through: ObjectStore) => {
    const isThere = (await store.head("repository.json", { signal })) !== undefined;
    if (isThere) await openRepository(through, { signal });
    else
      await initRepository(through, {
        recipients: [fileRecipient(recipient, { now })],
        now,
        signal,
      });
  };
  const hold = async (done: boolean) => {
    if (done) assert.equal((await openRepository(store, { signal })).recipients.length, 1);
  };
  return { store, scenario: { act, hold }, [Symbol.asyncDispose]: async () => {} };
});
