import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { makeScratchFolder } from "../../integration/fixtures/scratch-folder.ts";
import { readPassphrase } from "./held-keys.ts";

test("readPassphrase() tells a file that is not there from a passphrase that is none", async () => {
  await using folder = await makeScratchFolder("held-keys");
  const path = join(folder.path, "passphrase");
  await assert.rejects(readPassphrase(path), { code: "file-missing" });
  await writeFile(path, "too short\n", { mode: 0o600 });
  await assert.rejects(readPassphrase(path), { code: "config-invalid" });
  await writeFile(path, "six random words, one after the other\n");
  assert.equal((await readPassphrase(path)).reveal(), "six random words, one after the other");
});
