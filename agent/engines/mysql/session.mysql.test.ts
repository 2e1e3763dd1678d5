import assert from "node:assert/strict";
import { userInfo } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { runUnprivileged } from "../../../integration/fixtures/guarded-process.ts";
import { makeScratchFolder } from "../../../integration/fixtures/scratch-folder.ts";
import { Secret } from "../../../core/secret.ts";
import { openScratch, type Scratch } from "./scratch-copy.ts";
import { openSession } from "./session.ts";
import { type MysqlTarget, parseMysqlTarget } from "./target.ts";

let scratch: Scratch;
const { signal } = new AbortController();
before(async () => (scratch = await openScratch()));
after(async () => await scratch[Symbol.asyncDispose]());

async function logInAs(target: MysqlTarget, password?: string): Promise<string> {
  const secret = password === undefined ? undefined : new Secret(password);
  await using session = await openSession({ target, password: secret }, { signal });
  const [row] = await session.query("SELECT CURRENT_USER() AS who", { signal });
  return row?.["who"] ?? "";
}

function as(user: string, change: Partial<MysqlTarget> = {}): MysqlTarget {
  return { ...scratch.login("mysql").target, user, ...change };
}

test("openSession() logs in with a password, and says when it is wrong", async () => {
  await scratch.run("mysql", [
    "CREATE USER reader@localhost IDENTIFIED BY 'h\\'ü\\\\sh'",
    "GRANT SELECT ON mysql.* TO reader@localhost",
  ]);
  const tcp = as("reader", { at: { kind: "tcp", host: "127.0.0.1", port: scratch.server.port } });
  assert.equal(await logInAs(as("reader"), "h'ü\\sh"), "reader@localhost");
  assert.equal(await logInAs(tcp, "h'ü\\sh"), "reader@localhost");
  await assert.rejects(logInAs(tcp, "wrong"), { code: "engine-denied", remedy: /MYSQL_PWD/ });
  await assert.rejects(logInAs(as("reader")), { code: "engine-denied" });
});

test("openSession() follows a server that tries several plugins, and the unix socket's", async () => {
  const { username } = userInfo();
  await scratch.run("mysql", [
    `CREATE USER twofold@localhost IDENTIFIED VIA unix_socket OR mysql_native_password USING PASSWORD('hush')`,
    `GRANT SELECT ON mysql.* TO twofold@localhost`,
    `CREATE USER IF NOT EXISTS \`${username}\`@localhost`,
  ]);
  const [before] = await scratch.rows("mysql", `SHOW CREATE USER \`${username}\`@localhost`);
  await scratch.run("mysql", [`ALTER USER \`${username}\`@localhost IDENTIFIED VIA unix_socket`]);
  assert.equal(await logInAs(as("twofold"), "hush"), "twofold@localhost");
  assert.equal(await logInAs(as(username)), `${username}@localhost`);
  const create = before?.[`CREATE USER for ${username}@localhost`] ?? "";
  await scratch.run("mysql", [create.replace("CREATE USER", "ALTER USER")]);
});

test("openSession() signs for the ed25519 plugin", async () => {
  await scratch.run("mysql", [
    "INSTALL SONAME 'auth_ed25519'",
    "CREATE USER edwards@localhost IDENTIFIED VIA ed25519 USING PASSWORD('hüsh')",
    "GRANT SELECT ON mysql.* TO edwards@localhost",
  ]);
  assert.equal(await logInAs(as("edwards"), "hüsh"), "edwards@localhost");
  await assert.rejects(logInAs(as("edwards"), "wrong"), { code: "engine-denied" });
});

test("openSession() says what is wrong with host, port, socket and database", async () => {
  const tcp = (host: string, port: number) => as("root", { at: { kind: "tcp", host, port } });
  await assert.rejects(logInAs(tcp("nowhere.invalid", 3306)), { code: "host-unknown" });
  await assert.rejects(logInAs(tcp("127.0.0.1", 1)), { code: "engine-unreachable" });
  const socket = as("root", { at: { kind: "socket", path: "/nowhere.sock" } });
  await assert.rejects(logInAs(socket), { code: "engine-unreachable", message: /no such socket/ });
  await assert.rejects(logInAs(as("root", { database: "nowhere" })), { code: "database-unknown" });
  const other = as("root", { scheme: "mysql" });
  await assert.rejects(logInAs(other), {
    code: "engine-unsupported",
    remedy: /Write mariadb:\/\//,
  });
});

test("openSession() encrypts, and trusts only a certificate that it was told of", async () => {
  await using folder = await makeScratchFolder("tls", { forServer: true });
  const [key, cert] = [join(folder.path, "key.pem"), join(folder.path, "cert.pem")];
  const request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"];
  const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
  await runUnprivileged([...request, "-keyout", key, "-out", cert, ...subject], folder.path);
  await using secure = await openScratch({ "ssl-key": key, "ssl-cert": cert });
  const { port } = secure.server;
  const url = (host: string, options: string) =>
    parseMysqlTarget(`mariadb://root@${host}:${port}/mysql?${options}`);
  const cipher = async (target: MysqlTarget) => {
    await using session = await openSession({ target, password: undefined }, { signal });
    const [row] = await session.query("SHOW STATUS LIKE 'Ssl_cipher'", { signal });
    const [long] = await session.query("SELECT REPEAT('x', 3000000) AS x", { signal });
    assert.equal(long?.["x"]?.length, 3_000_000);
    return row?.["Value"] ?? "";
  };
  const trusted = `sslmode=verify-full&sslrootcert=${encodeURIComponent(cert)}`;
  assert.match(await cipher(url("localhost", trusted)), /^TLS_/);
  assert.match(await cipher(url("127.0.0.1", "sslmode=require")), /^TLS_/);
  assert.match(await cipher(url("127.0.0.1", trusted.replace("full", "ca"))), /^TLS_/);
  await assert.rejects(cipher(url("127.0.0.1", trusted)), { code: "engine-denied" });
  await assert.rejects(cipher(url("localhost", "sslmode=verify-full")), {
    code: "engine-denied",
    remedy: /sslrootcert=FILE.*SHA-256 [0-9A-F:]{95}/,
  });
  const plain = as("root", { at: { kind: "tcp", host: "127.0.0.1", port: scratch.server.port } });
  await assert.rejects(logInAs({ ...plain, tls: "require" }), { message: /offers no TLS/ });
});

test("aborting ends a statement at once, and leaves no session on the server", async () => {
  const controller = new AbortController();
  const session = await openSession(scratch.login("mysql"), { signal });
  const sleeping = session.query("SELECT SLEEP(60)", { signal: controller.signal });
  await sleep(50);
  const started = performance.now();
  controller.abort(new Error("enough"));
  await assert.rejects(sleeping, /enough/);
  assert.ok(performance.now() - started < 500);
  await session[Symbol.asyncDispose]();
  const list = await scratch.rows(
    "mysql",
    "SELECT INFO AS sql_ FROM information_schema.PROCESSLIST",
  );
  assert.ok(!list.some((row) => row["sql_"]?.startsWith("SELECT SLEEP")));
});

test("a session that the server kills fails with what happened", async () => {
  const session = await openSession(scratch.login("mysql"), { signal });
  const sleeping = assert.rejects(session.query("SELECT SLEEP(60)", { signal }), {
    code: /engine-refused|engine-unreachable/,
  });
  await scratch.run("mysql", [`KILL ${session.greeting.threadId}`]);
  await sleeping;
  await session[Symbol.asyncDispose]();
});

test("disposing a session that the server has ended is no error, also twice", async () => {
  const session = await openSession(scratch.login("mysql"), { signal });
  await scratch.run("mysql", [`KILL ${session.greeting.threadId}`]);
  await session[Symbol.asyncDispose]();
  await session[Symbol.asyncDispose]();
});

test("statements of more than 16 MB pass in pieces", async () => {
  await scratch.run("mysql", ["SET GLOBAL max_allowed_packet = 64 << 20"]);
  await using session = await openSession(scratch.login("mysql"), { signal });
  const text = "x".repeat(17 << 20);
  const [row] = await session.query(`SELECT LENGTH('${text}') AS n, '${text}' AS x`, { signal });
  assert.equal(row?.["n"], String(17 << 20));
  assert.equal(row["x"]?.length, 17 << 20);
});

test("a value that is no UTF-8 is an error, not another value", async () => {
  await using session = await openSession(scratch.login("mysql"), { signal });
  const asking = session.query("SELECT x'61FF' AS x", { signal, act: "read a comment" });
  await assert.rejects(asking, { message: /Cannot read a comment: the text is not valid UTF-8/ });
  assert.equal((await session.query("SELECT 1 AS n", { signal }))[0]?.["n"], "1");
});
