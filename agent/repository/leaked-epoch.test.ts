import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { DbctlError } from "../../core/errors.ts";
import {
  backUp,
  makeScratchRepository,
  type ScratchRepository,
  signal,
} from "../../integration/fixtures/scratch-repository.ts";
import { createMemoryStore } from "../store/memory/memory-store.ts";
import { ChunkCodec } from "./chunk-codec.ts";
import type { EpochKeys } from "./epoch.ts";
import { epochKeysOf, openEpochFile } from "./epoch-file.ts";
import type { BackupHeader } from "./manifest.ts";
import { decodeBody } from "./manifest-bytes.ts";
import { MapReader } from "./map-bytes.ts";
import { epochKey, mapKey, packKey } from "./object-key.ts";
import { readPackIndex } from "./pack.ts";
import { readHeader } from "./read-header.ts";
import { openBackup } from "./open-backup.ts";

/** The epoch key of a backup under every name that somebody who holds it might try. */
function claims(leaked: EpochKeys, other: BackupHeader): EpochKeys[] {
  const { repository, instance, epoch } = other;
  return [
    leaked,
    { ...leaked, epoch },
    { ...leaked, instance },
    { repository, instance, epoch, key: leaked.key },
  ];
}

/** What of a backup the key opens: kinds of objects. */
async function opens(
  { store, objects, repository, identity }: ScratchRepository,
  header: BackupHeader,
  key: EpochKeys,
): Promise<string[]> {
  const opened: string[] = [];
  const attempt = async (kind: string, act: () => unknown) => {
    try {
      await act();
      opened.push(kind);
    } catch (error) {
      assert.ok(error instanceof DbctlError && error.code === "repository-damaged", String(error));
    }
  };
  const manifest = `${header.instance}/backups/${header.id}/manifest`;
  const { bodyAt } = await readHeader(store, manifest, { signal });
  const whole = Buffer.from(objects.get(manifest) ?? []);
  await attempt("body", () =>
    decodeBody(key, header.id, { bytes: whole.subarray(bodyAt), object: manifest }),
  );
  const map = mapKey(header, 0);
  const mapBytes = Buffer.from(objects.get(map) ?? []);
  await attempt(
    "map",
    () => new MapReader(key, { id: header.id, map: 0 }, { bytes: mapBytes, object: map }),
  );
  for (const { pack, size } of header.packs) {
    const bytes = objects.get(packKey(header, pack)) ?? new Uint8Array();
    const there = createMemoryStore(new Map([[packKey(key, pack), bytes]]));
    const source = { store: there, epoch: key, signal };
    await attempt("index", () => readPackIndex(source, { pack, size }));
  }
  // Even whoever knows where a chunk is and its id, which are sealed.
  const own = await openBackup({ store, repository, header, keys: { identity }, signal });
  for (const { pack, offset, stored, bytes, id } of (await own.streamMap(0)).chunks) {
    const frame = Buffer.from(objects.get(packKey(header, pack)) ?? []).subarray(
      offset,
      offset + stored,
    );
    const place = { pack, offset, id: Buffer.from(id, "hex") };
    await attempt("chunk", () => new ChunkCodec(key).open(frame, place, bytes));
  }
  return opened;
}

test("a leaked epoch key opens nothing outside its epoch", async () => {
  await using scratch = await makeScratchRepository();
  const made: BackupHeader[] = [];
  for (const instance of ["7312", "8423"])
    for (let n = 0; n < 2; n++)
      made.push(
        (await backUp(scratch, { streams: [[randomBytes(1000)]], fresh: true, instance })).header,
      );
  for (const from of made) {
    const sealed = scratch.objects.get(epochKey(from)) ?? new Uint8Array();
    const leaked = epochKeysOf(await openEpochFile(Buffer.from(sealed), scratch.identity, "x"));
    assert.deepEqual(await opens(scratch, from, leaked), ["body", "map", "index", "chunk"]);
    const { store, repository } = scratch;
    for (const other of made.filter((one) => one !== from)) {
      for (const key of claims(leaked, other))
        assert.deepEqual(await opens(scratch, other, key), []);
      const wrong = openBackup({
        store,
        repository,
        header: other,
        keys: { epoch: leaked },
        signal,
      });
      await assert.rejects(wrong, { code: "identity-wrong" });
    }
  }
});
