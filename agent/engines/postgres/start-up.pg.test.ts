import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, chownSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Secret } from "../../../core/secret.ts";
import {
  type PostgresServer,
  startPostgres,
} from "../../../integration/fixtures/postgres-server.ts";
import { makeScratchFolder } from "../../../integration/fixtures/scratch-folder.ts";
import { one, openScratchSession, openView, readTable, slowly, sumOf } from "./copy-contract.ts";
import { createPostgresEngine } from "./engine.ts";
import { openSession } from "./session.ts";
import { parsePostgresTarget } from "./target.ts";

const { signal } = new AbortController();
const rules = `local all postgres trust
local all clear password
host all clear samehost password
host all hashed samehost md5
hostssl all holder samehost cert
hostssl all scram samehost scram-sha-256
host all scram samehost scram-sha-256
host all all samehost reject
`;
const users = `
  CREATE ROLE holder LOGIN;
  SET password_encryption = 'scram-sha-256';
  CREATE ROLE scram LOGIN PASSWORD 'pä ss'; CREATE ROLE clear LOGIN PASSWORD 'pä ss';
  SET password_encryption = 'md5'; CREATE ROLE hashed LOGIN PASSWORD 'pä ss'`;

/** A certificate that is signed by itself; gives its path without the endings. */
function makeCertificate(folder: string, name: string, digest = "sha256"): string {
  const path = join(folder, name);
  const subject = ["-subj", `/CN=${name}`, "-addext", `subjectAltName=DNS:${name}`];
  const options = [
    "-x509",
    "-newkey",
    "rsa:2048",
    "-nodes",
    "-days",
    "2",
    `-${digest}`,
    ...subject,
  ];
  execFileSync("openssl", ["req", ...options, "-keyout", `${path}.key`, "-out", `${path}.crt`], {
    stdio: "ignore",
  });
  chmodSync(`${path}.key`, 0o600);
  if (process.getuid?.() === 0) chownSync(`${path}.key`, 65534, 65534);
  return path;
}

for (const major of [15, 17])
  describe(`openSession() logs in to PostgreSQL ${major}`, () => {
    const stack = new AsyncDisposableStack();
    let server: PostgresServer;
    let certificates: string;
    let client: string;
    const open = (user: string, options = "", password = "pä ss") =>
      openSession(
        parsePostgresTarget(`postgres://${user}@${options.replace("*", String(server.port))}`),
        {
          signal,
          password: new Secret(password),
        },
      );

    before(async () => {
      const folder = stack.use(await makeScratchFolder("tls", { forServer: true }));
      certificates = makeCertificate(folder.path, "localhost", "sha384");
      client = makeCertificate(folder.path, "holder");
      const ssl = {
        ssl_cert_file: `${certificates}.crt`,
        ssl_key_file: `${certificates}.key`,
        ssl_ca_file: `${client}.crt`,
      };
      server = stack.use(await startPostgres(major, { ssl: "on", ...ssl }));
      await using admin = await openSession(parsePostgresTarget(server.url("postgres")), {
        signal,
      });
      await admin.execute(users);
      await writeFile(join(server.socketFolder, "data", "pg_hba.conf"), rules);
      await admin.execute("SELECT pg_reload_conf(); SELECT pg_sleep(0.3)");
    });
    after(() => stack.disposeAsync());

    for (const user of ["scram", "hashed"])
      test(`as ${user} with the right password, and not with a wrong one`, async () => {
        await using session = await open(user, "127.0.0.1:*/postgres");
        assert.deepEqual(await session.query("SELECT session_user::text AS u"), [{ u: user }]);
        await assert.rejects(open(user, "127.0.0.1:*/postgres", "wrong"), {
          code: "engine-denied",
        });
      });

    test("and asks for a password that is not known with a remedy", async () => {
      const target = parsePostgresTarget(`postgres://scram@127.0.0.1:${server.port}/postgres`);
      await assert.rejects(openSession(target, { signal }), {
        code: "engine-denied",
        remedy: /\.pgpass/,
      });
    });

    test("in clear text over a socket or TLS only", async () => {
      const socket = `/postgres?host=${server.socketFolder}&port=*`;
      await using _ = await open("clear", socket);
      await using _tls = await open("clear", "127.0.0.1:*/postgres?sslmode=require");
      await assert.rejects(open("clear", "127.0.0.1:*/postgres"), { message: /clear text/ });
    });

    test("with SCRAM bound to the TLS channel", async () => {
      const ca = `sslrootcert=${certificates}.crt`;
      await using session = await open("scram", `localhost:*/postgres?sslmode=verify-full&${ca}`);
      const [row] = await session.query(
        "SELECT ssl::text FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
      );
      assert.deepEqual(row, { ssl: "true" });
      await using _ = await open("scram", `127.0.0.1:*/postgres?sslmode=verify-ca&${ca}`);
      await assert.rejects(open("scram", `127.0.0.1:*/postgres?sslmode=verify-full&${ca}`), {
        code: "identity-wrong",
      });
    });

    test("and copies rows both ways through TLS, also when the sink is slow", async () => {
      await using admin = await openScratchSession(server);
      await admin.execute(`CREATE TABLE public.t (id int, v text); CREATE TABLE public.u (LIKE public.t);
        INSERT INTO public.t SELECT i, repeat('x', i % 3000) FROM generate_series(1, 10000) i;
        GRANT ALL ON public.t, public.u TO scram`);
      const url = `postgres://scram@127.0.0.1:${server.port}/postgres?sslmode=require`;
      const access = { target: parsePostgresTarget(url), password: new Secret("pä ss") };
      const engine = createPostgresEngine(access);
      await using view = await openView(engine);
      const [t, u] = await view.snapshot.listTables();
      assert.ok(t !== undefined && u !== undefined);
      const whole = await readTable(view, t);
      await using loader = await engine.openLoader({ signal });
      for (const { bytes } of whole)
        assert.equal(await loader.load(u, one(bytes), { signal }), 10_000);
      await using later = await openView(engine);
      assert.deepEqual(sumOf(await readTable(later, u, slowly())), sumOf(whole));
    });

    test("with a certificate instead of a password", async () => {
      const own = `sslcert=${client}.crt&sslkey=${client}.key`;
      await using session = await open("holder", `127.0.0.1:*/postgres?sslmode=require&${own}`);
      assert.deepEqual(await session.query("SELECT session_user::text AS u"), [{ u: "holder" }]);
      await assert.rejects(open("holder", "127.0.0.1:*/postgres?sslmode=require"), {
        code: "engine-denied",
      });
      const missing = open("holder", "127.0.0.1:*/postgres?sslmode=require&sslcert=/nonexistent");
      await assert.rejects(missing, { code: "file-missing" });
    });

    test("and shows the fingerprint of a certificate that nobody vouches for", async () => {
      const print = execFileSync("openssl", ["x509", "-noout", "-fingerprint", "-sha256"], {
        input: await readFile(`${certificates}.crt`),
      });
      const fingerprint = print.toString().trim().split("=")[1] ?? "none";
      await assert.rejects(open("scram", "localhost:*/postgres?sslmode=verify-full"), {
        code: "identity-wrong",
        message: new RegExp(fingerprint),
        remedy: /sslrootcert/,
      });
    });

    test("and names a database that is not there, and a user who may not", async () => {
      const socket = `host=${server.socketFolder}&port=*`;
      await assert.rejects(open("postgres", `/nosuch?${socket}`), { code: "database-unknown" });
      await assert.rejects(open("nobody", "127.0.0.1:*/postgres"), { code: "engine-denied" });
    });

    test("not without TLS when the server does not offer it", async () => {
      await using plain = await startPostgres(major);
      const url = `postgres://postgres@localhost:${plain.port}/postgres?sslmode=verify-full`;
      await assert.rejects(openSession(parsePostgresTarget(url), { signal }), {
        code: "engine-denied",
        message: /does not offer TLS/,
      });
    });
  });
