import assert from "node:assert/strict";
import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { makeScratchFolder } from "../../../integration/fixtures/scratch-folder.ts";
import { parseOptionFile, resolvePassword } from "./password.ts";
import { parseMysqlTarget } from "./target.ts";

const target = parseMysqlTarget("mariadb://me@127.0.0.1/shop");

test("resolvePassword() takes MYSQL_PWD before ~/.my.cnf", async () => {
  await using home = await makeScratchFolder("home");
  const file = join(home.path, ".my.cnf");
  await writeFile(file, "[client]\npassword = from-file\n", { mode: 0o600 });
  const reveal = async (env: NodeJS.ProcessEnv) =>
    (await resolvePassword(target, { HOME: home.path, ...env }))?.reveal();
  assert.equal(await reveal({}), "from-file");
  assert.equal(await reveal({ MYSQL_PWD: "from-env" }), "from-env");
  await writeFile(file, "[client]\nuser=other\npassword=x\n");
  assert.equal(await reveal({}), undefined);
});

test("resolvePassword() refuses a file that others may read", async () => {
  await using home = await makeScratchFolder("home");
  const file = join(home.path, ".my.cnf");
  await writeFile(file, "[client]\npassword=x\n");
  await chmod(file, 0o640);
  const resolving = resolvePassword(target, { HOME: home.path });
  await assert.rejects(resolving, { code: "secret-exposed", remedy: `Run chmod 0600 ${file}` });
});

test("resolvePassword() gives nothing when there is nothing", async () => {
  await using home = await makeScratchFolder("home");
  assert.equal(await resolvePassword(target, { HOME: home.path }), undefined);
});

test("parseOptionFile() reads quotes, escapes and comments as the clients do", () => {
  const text = [
    "[mysqld]",
    "password=server",
    "[client]",
    "# password=old",
    'password = "a#b \\\\ \\s\'" ',
    "user=me # who",
    "[mysql]",
    "password=shell",
  ];
  assert.deepEqual(parseOptionFile(text.join("\n")), { password: "a#b \\  '", user: "me" });
});
