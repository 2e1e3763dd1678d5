import assert from "node:assert/strict";
import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { makeScratchFolder } from "../../../integration/fixtures/scratch-folder.ts";
import { findPassword, resolvePassword } from "./password.ts";
import { parsePostgresTarget } from "./target.ts";

const target = parsePostgresTarget("postgres://ann@db7:5433/shop");
const find = (text: string, of = target) => findPassword(text, of)?.reveal();

test("findPassword() takes the first line that fits", () => {
  assert.equal(find("# comment\nother:*:*:*:no\n\ndb7:5433:shop:ann:yes\n*:*:*:*:late"), "yes");
  assert.equal(find("*:*:*:*:any\r\n"), "any");
  assert.equal(find("db7:5432:shop:ann:no"), undefined);
  assert.equal(find("db7:5433:shop:ann:"), undefined);
  assert.equal(find("db7:5433:shop"), undefined);
});

test("findPassword() understands escaped colons and backslashes", () => {
  assert.equal(find(String.raw`*:*:*:*:a\:b\\c`), "a:b\\c");
  const odd = parsePostgresTarget("postgres://a%3Ab@db7:5433/shop");
  assert.equal(find(String.raw`*:*:*:a\:b:x`, odd), "x");
  assert.equal(find(String.raw`*:*:*:\*:x`), undefined);
});

test("findPassword() knows a socket by its folder and as localhost", () => {
  const socket = parsePostgresTarget("postgres://ann@/shop?host=/run/pg&port=5433");
  assert.equal(find("/run/pg:5433:shop:ann:a", socket), "a");
  assert.equal(find("localhost:5433:shop:ann:b", socket), "b");
  assert.equal(find("db7:5433:shop:ann:c", socket), undefined);
});

test("resolvePassword() prefers PGPASSWORD, then the file that PGPASSFILE names", async () => {
  await using folder = await makeScratchFolder("passfile");
  const path = join(folder.path, "pass");
  await writeFile(path, "*:*:*:*:filed", { mode: 0o600 });
  const env = { PGPASSFILE: path };
  assert.equal(resolvePassword(target, { ...env, PGPASSWORD: "set" })?.reveal(), "set");
  assert.equal(resolvePassword(target, env)?.reveal(), "filed");
  assert.equal(resolvePassword(target, { HOME: folder.path }), undefined);
  await writeFile(join(folder.path, ".pgpass"), "*:*:*:*:home", { mode: 0o600 });
  assert.equal(resolvePassword(target, { HOME: folder.path })?.reveal(), "home");
});

test("resolvePassword() refuses a file that others can read, and one that is not there", async () => {
  await using folder = await makeScratchFolder("passfile");
  const path = join(folder.path, "pass");
  const env = { PGPASSFILE: path };
  assert.throws(() => resolvePassword(target, env), { code: "file-missing" });
  await writeFile(path, "*:*:*:*:filed");
  await chmod(path, 0o640);
  assert.throws(() => resolvePassword(target, env), {
    code: "secret-exposed",
    remedy: `Run: chmod 0600 ${path}`,
  });
});
