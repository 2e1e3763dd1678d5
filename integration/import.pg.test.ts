import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { readFile, writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { comparePostgres } from "./fixtures/compare-databases.ts";
import { type PostgresServer, startPostgres } from "./fixtures/postgres-server.ts";
import { createPostgresPartitions, createPostgresShop } from "./fixtures/postgres-shop.ts";
import { psql } from "./fixtures/psql.ts";
import { type DbctlScratch, finish, makeDbctlScratch } from "./fixtures/run-dbctl.ts";
import { dumpPostgresSchema } from "./fixtures/schema-dump.ts";

const execute = promisify(execFile);

describe("dbctl import of pg_dump", () => {
  const stack = new AsyncDisposableStack();
  let server: PostgresServer;
  let dbctl: DbctlScratch;
  let dump: string;

  before(async () => {
    server = stack.use(await startPostgres(15));
    dbctl = stack.use(await makeDbctlScratch({ init: false }));
    await psql(server, "postgres", "create database shop");
    const source = { server, database: "shop" };
    await createPostgresShop(source, { megabytes: 8 });
    await createPostgresPartitions(source, { rowCount: 5000 });
    dump = await dumpInto("shop.sql", ["shop"]);
  });
  after(() => stack.disposeAsync());

  async function dumpInto(name: string, args: string[], program = "pg_dump"): Promise<string> {
    const file = join(dbctl.folder, name);
    await execute(join(server.programs, program), [...where(), "-f", file, ...args]);
    return file;
  }

  const where = () => ["-h", server.socketFolder, "-p", String(server.port), "-U", "postgres"];
  const clientOf = (database: string) => [...where(), "-X", "-d", database];

  const shop = () => ({ server, database: "shop" });
  const into = (database: string) => ["--to", server.url(database), "--create", ...trusting];
  const trusting = ["--allow-superuser"];
  const exists = async (database: string) =>
    (await psql(server, "postgres", `select 1 from pg_database where datname = '${database}'`)) ===
    "1";

  /** A script of our own, as bytes. */
  async function script(name: string, text: string): Promise<string> {
    const file = join(dbctl.folder, name);
    await writeFile(file, Buffer.from(text, "latin1"));
    return file;
  }

  async function assertShop(database: string): Promise<void> {
    const copy = { server, database };
    assert.deepEqual(await comparePostgres(shop(), copy), []);
    assert.equal(await dumpPostgresSchema(copy), await dumpPostgresSchema(shop()));
  }

  test("a plain dump comes back as the database that it was made of", async () => {
    const done = await dbctl.ok("import", dump, ...into("plain"), "--jobs", "3");
    await assertShop("plain");
    const { ok, tables, tool, serverVersion } = await dbctl.ok("import", "--check", dump);
    assert.deepEqual([ok, tool], [true, "pg_dump"]);
    assert.match(String(serverVersion), /^15\./);
    const rows = (tables as { rows: number }[]).reduce((sum, table) => sum + table.rows, 0);
    assert.equal(done["rows"], rows);
  });

  test("a dump in gzip or zstd comes back", async () => {
    for (const [program, name] of [
      ["gzip", "gz"],
      ["zstd", "zst"],
    ] as const) {
      const file = `${dump}.${name}`;
      await execute("sh", ["-c", `${program} -c ${dump} > ${file}`]);
      const done = await dbctl.ok("import", file, ...into(`from_${name}`));
      assert.ok(Number(done["rows"]) > 5000);
      const copy = { server, database: `from_${name}` };
      assert.deepEqual(await comparePostgres(shop(), copy), []);
    }
    const bzip2 = `${dump}.bz2`;
    await execute("sh", ["-c", `head -c 1000 ${dump} | bzip2 -c > ${bzip2}`]);
    const refused = await dbctl.run("import", bzip2, ...into("never"), "--json");
    assert.equal(refused.code, 65);
    assert.match(refused.document.error.message, /compressed with bzip2/);
    assert.match(refused.document.error.remedy, /bzip2 -d/);
  });

  test("a dump of INSERTs comes back as its vendor's client loads it", async () => {
    const inserts = await dumpInto("inserts.sql", ["--rows-per-insert=50", "shop"]);
    await dbctl.ok("import", inserts, ...into("from_inserts"));
    // As the vendor's client loads it: an INSERT has lost the sign of a zero already.
    await psql(server, "postgres", "create database reference");
    await execute("psql", [...clientOf("reference"), "-q", "-f", inserts]);
    const reference = { server, database: "reference" };
    const copy = { server, database: "from_inserts" };
    assert.deepEqual(await comparePostgres(reference, copy), []);
    assert.equal(await dumpPostgresSchema(copy), await dumpPostgresSchema(shop()));
  });

  test("a dump that drops and makes its own database goes into one of another name", async () => {
    await psql(server, "postgres", "alter database shop set work_mem to '7MB'");
    const making = await dumpInto("making.sql", ["--create", "--clean", "--if-exists", "shop"]);
    await dbctl.ok("import", making, ...into('we"ird; name'.replaceAll('"', "%22")));
    assert.equal(await psql(server, 'we"ird; name', "show work_mem"), "7MB");
    const copy = { server, database: 'we"ird; name' };
    assert.deepEqual(await comparePostgres(shop(), copy), []);
  });

  test("refuses a file with a client command, wherever it stands, before anything runs", async () => {
    const text = "create table t (a int);\n\\! touch /tmp/never\nselect 1;\n";
    const file = await script("evil.sql", `-- PostgreSQL database dump\n${text}`);
    const refused = await dbctl.run("import", file, ...into("never"), "--json");
    assert.equal(refused.code, 65);
    assert.equal(refused.document.error.code, "dump-refused");
    assert.match(refused.document.error.message, /line 3 holds the client command \\! touch/);
    assert.equal(await exists("never"), false);
    const check = await dbctl.run("import", "--check", file);
    assert.equal(check.code, 65);
    assert.match(check.stdout, /line 3 holds the client command/);
  });

  test("a dump that was cut is refused, and the last complete table is named", async () => {
    const bytes = await readFile(dump);
    const from = bytes.indexOf("COPY shop.order_lines");
    const file = join(dbctl.folder, "cut.sql");
    await writeFile(file, bytes.subarray(0, from + 5000));
    const refused = await dbctl.run("import", file, ...into("never"), "--json");
    assert.equal(refused.code, 65);
    assert.equal(refused.document.error.code, "dump-damaged");
    assert.match(refused.document.error.message, /rows of a COPY have no end; the last complete/);
    assert.equal(await exists("never"), false);
    const check = await dbctl.run("import", "--check", file, "--json");
    assert.equal(check.code, 65);
    const { damage } = check.document as unknown as { damage: Record<string, unknown> };
    assert.deepEqual(
      [damage["kind"], damage["lastTable"]],
      ["truncated", lastTableBefore(bytes, from)],
    );
    // At the border of two statements only the tool's own last line tells.
    const border = bytes.indexOf("\n\n--", from - 5000);
    await writeFile(file, bytes.subarray(0, border));
    const atBorder = await dbctl.run("import", "--check", file);
    assert.equal(atBorder.code, 65);
    assert.match(atBorder.stdout, /the last line that pg_dump writes is missing/);
    await execute("sh", ["-c", `gzip -c ${dump} | head -c 100000 > ${file}.gz`]);
    const stream = await dbctl.run("import", "--check", `${file}.gz`);
    assert.equal(stream.code, 65);
    assert.match(stream.stdout, /the gzip stream ends too early/);
  });

  test("the first statement that fails ends the import, and its database is gone", async () => {
    const file = await script(
      "wrong.sql",
      "create table t (a int);\ninsert into t values (1);\ninsert into u values (1);\n",
    );
    const failed = await dbctl.run("import", file, ...into("wrong"), "--json");
    assert.equal(failed.code, 1);
    const { message } = failed.document.error;
    assert.match(message, /^Cannot run line 3 of wrong\.sql \(insert into u values/);
    assert.match(message, /relation "u" does not exist/);
    assert.equal(await exists("wrong"), false);
    await psql(server, "postgres", "create database mine");
    const kept = await dbctl.run("import", file, "--to", server.url("mine"), ...trusting, "--json");
    assert.equal(kept.code, 1);
    assert.match(kept.document.error.remedy, /empty the database, which holds a part/);
    const full = await dbctl.run("import", file, "--to", server.url("mine"), ...trusting, "--json");
    assert.equal(full.code, 73);
    assert.equal(full.document.error.code, "target-not-empty");
    assert.doesNotMatch(full.document.error.remedy, /empty the database/, "it may be anybody's");
  });

  test("rows that fail in the middle of a COPY on several sessions end it as well", async () => {
    const rows = Array.from({ length: 400_000 }, (_, n) => `${n}\tsome text to fill a row\n`);
    rows[300_000] = "x\tno number\n";
    const file = await script(
      "bad-rows.sql",
      "-- PostgreSQL database dump\n-- Dumped by pg_dump version 15.0\ncreate table t (a int, b text);\n" +
        `COPY t (a, b) FROM stdin;\n${rows.join("")}\\.\n-- PostgreSQL database dump complete\n`,
    );
    const failed = await dbctl.run("import", file, ...into("wrong"), "--jobs", "3", "--json");
    assert.equal(failed.code, 1);
    assert.match(failed.document.error.message, /invalid input syntax for type integer: "x"/);
    assert.equal(await exists("wrong"), false);
  });

  test("Ctrl-C ends an import at once and leaves neither database nor session", async () => {
    const file = await script("slow.sql", "create table t (a int);\nselect pg_sleep(60);\n");
    const child = dbctl.start("import", file, ...into("slow"), "--dialect", "postgres");
    const sleeping = "select count(*) from pg_stat_activity where query like '%pg_sleep(60)%'";
    while (Number(await psql(server, "postgres", sleeping)) < 2) await sleep(50);
    child.kill("SIGINT");
    const { code } = await finish(child);
    assert.equal(code, 130);
    assert.equal(await exists("slow"), false);
    assert.equal(await psql(server, "postgres", sleeping), "1");
  });

  test("a superuser is asked for, and a role of its own needs no word", async () => {
    const file = await script("plain-role.sql", "create table t (a int);\nselect current_user;\n");
    const refused = await dbctl.run(
      "import",
      file,
      "--to",
      server.url("own"),
      "--create",
      "--json",
    );
    assert.equal(refused.code, 77);
    assert.match(refused.document.error.message, /postgres is a superuser/);
    await psql(server, "postgres", "create role importer login createdb");
    const url = server.url("own").replace("postgres@", "importer@");
    const args = ["--create", "--dialect", "postgres"];
    const done = await dbctl.ok("import", file, "--to", url, ...args);
    assert.equal(done["statements"], 2);
    assert.equal(
      await psql(server, "own", "select tableowner from pg_tables where tablename = 't'"),
      "importer",
    );
    // Owners of the dump are other roles, which this one is no member of.
    const owned = await dbctl.run("import", dump, "--to", url.replace("own", "own2"), "--create");
    assert.notEqual(owned.code, 0);
    const unowned = ["--no-owner", "--no-privileges"];
    await dbctl.ok("import", dump, "--to", url.replace("own", "own2"), "--create", ...unowned);
  });

  test("bytes that are no UTF-8 arrive as they are", async () => {
    const file = await script(
      "latin1.sql",
      "SET client_encoding = 'LATIN1';\nCREATE TABLE public.t (a text);\n" +
        "COPY public.t (a) FROM stdin;\nna\xefve\n\\.\nINSERT INTO public.t VALUES ('\xe9\xff');\n",
    );
    await dbctl.ok("import", file, ...into("latin"));
    const found = await psql(
      server,
      "latin",
      "select encode(convert_to(string_agg(a, ',' order by a desc), 'UTF8'), 'hex') from t",
    );
    assert.equal(Buffer.from(found, "hex").toString(), "éÿ,naïve");
    const encoding = "select getdatabaseencoding()";
    assert.equal(await psql(server, "latin", encoding), "LATIN1");
  });

  test("a dump of a whole server goes into databases of its own names on a newer one", async () => {
    await using other = await startPostgres(17);
    const others = ["we*", "from*", "plain", "reference", "mine", "own*", "latin"];
    const without = others.map((name) => `--exclude-database=${name}`);
    const file = await dumpInto("all.sql", without, "pg_dumpall");
    const refused = await dbctl.run("import", file, ...into("one"), "--json");
    assert.match(refused.document.error.message, /holds \d+ databases: template1, /);
    const to = ["--to", other.url(""), "--databases", "--create", ...trusting];
    const done = await dbctl.ok("import", file, ...to);
    assert.ok((done["into"] as string[]).includes("shop"));
    const copy = { server: other, database: "shop" };
    assert.deepEqual(await comparePostgres(shop(), copy), []);
    const again = await dbctl.run("import", file, ...to, "--json");
    assert.equal(again.code, 73);
  });

  test("what cannot be imported is told before anything is done", async () => {
    const [none, stdin, noTarget, unknown, missing] = await Promise.all([
      dbctl.run("import", await script("empty.sql", ""), ...into("never"), "--json"),
      dbctl.run("import", "-", ...into("never"), "--json"),
      dbctl.run("import", dump, "--json"),
      dbctl.run("import", await script("zip.sql", "\0\x01binary"), ...into("never"), "--json"),
      dbctl.run("import", join(dbctl.folder, "nothing.sql"), ...into("never"), "--json"),
    ]);
    assert.match(none.document.error.message, /it is empty, no known format/);
    assert.match(stdin.document.error.message, /a dump is read twice/);
    assert.match(noTarget.document.error.message, /--to is missing/);
    assert.match(unknown.document.error.message, /it begins with 00/);
    assert.equal(missing.code, 66);
    const foreign = await script("mysql.sql", "CREATE TABLE `t` (`a` int) ENGINE=InnoDB;\n");
    const other = await dbctl.run("import", foreign, ...into("never"), "--json");
    assert.match(other.document.error.message, /was written for MySQL or MariaDB/);
    const planned = await dbctl.ok("import", dump, ...into("never"), "--dry-run");
    assert.equal(planned["dryRun"], true);
    assert.equal(await exists("never"), false);
  });
});

/** The last table with rows before a place in a dump. */
function lastTableBefore(dump: Buffer, end: number): string | undefined {
  const copies = dump.toString("latin1", 0, end).matchAll(/^COPY (\S+) .* FROM stdin;$/gm);
  return [...copies].at(-1)?.[1];
}
