import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { createExporter } from "../agent/adapters.ts";
import type { BackupBody } from "../agent/backup/backup-body.ts";
import { exportBackup } from "../agent/export/export-backup.ts";
import { openBackupByName } from "../cli/direct/open-repository-url.ts";
import { comparePostgres } from "./fixtures/compare-databases.ts";
import { type PostgresServer, startPostgres } from "./fixtures/postgres-server.ts";
import { createPostgresPartitions, createPostgresShop } from "./fixtures/postgres-shop.ts";
import { psql } from "./fixtures/psql.ts";
import { type DbctlScratch, makeDbctlScratch } from "./fixtures/run-dbctl.ts";
import { dumpPostgresSchema } from "./fixtures/schema-dump.ts";

const execute = promisify(execFile);
const resources = new AsyncDisposableStack();
let server: PostgresServer;
let dbctl: DbctlScratch;

before(async () => {
  server = resources.use(await startPostgres(15));
  dbctl = resources.use(await makeDbctlScratch());
  await psql(server, "postgres", "create database shop");
  await createPostgresShop({ server, database: "shop" }, { megabytes: 2 });
  await createPostgresPartitions({ server, database: "shop" }, { rowCount: 500 });
  await dbctl.ok("backup", server.url("shop"), "--repo", dbctl.repo);
});
after(async () => {
  delete process.env["PGCLIENTENCODING"];
  await resources.disposeAsync();
});

const at = (name: string) => join(dbctl.folder, name);
const exporting = (...flags: string[]) => {
  const which = ["latest", "--repo", dbctl.repo, "--identity", dbctl.identity];
  return ["export", ...which, ...flags];
};

/** Loads a file as the vendor's client does, into a new database. */
async function load(file: string, database: string): Promise<string> {
  await psql(server, "postgres", `create database ${database} template template0`);
  return await loadInto(file, database);
}

async function loadInto(file: string, database: string): Promise<string> {
  const where = ["-h", server.socketFolder, "-p", String(server.port), "-U", "postgres"];
  const how = ["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", database, "-f", file];
  const { stderr } = await execute("psql", [...where, ...how], { maxBuffer: 1 << 28 });
  return stderr;
}

test("a script that psql loads makes the same database again", async () => {
  const result = await dbctl.ok(...exporting("--to", at("shop.sql")));
  assert.equal((await stat(at("shop.sql"))).mode & 0o777, 0o600);
  assert.equal(await load(at("shop.sql"), "loaded"), "");
  const [source, copy] = ["shop", "loaded"].map((database) => ({ server, database }));
  assert.ok(source !== undefined && copy !== undefined);
  assert.deepEqual(await comparePostgres(source, copy), []);
  assert.equal(await dumpPostgresSchema(copy), await dumpPostgresSchema(source));
  const { rows, tables, leftOut } = result;
  assert.ok(Number(rows) > 5000 && (tables as unknown[]).length > 15);
  assert.deepEqual(leftOut, []);
});

test("dbctl import takes the script, too", async () => {
  await dbctl.ok(...exporting("--to", at("import.sql")));
  const to = ["--to", server.url("imported"), "--create", "--allow-superuser"];
  await dbctl.ok("import", at("import.sql"), ...to);
  const copy = { server, database: "imported" };
  assert.deepEqual(await comparePostgres({ server, database: "shop" }, copy), []);
});

test("without owners and privileges a script needs no role", async () => {
  const flags = ["--no-owner", "--no-privileges", "--exclude", "*"];
  const { leftOut, rows } = await dbctl.ok(...exporting("--to", at("bare.sql"), ...flags));
  assert.ok((leftOut as string[]).includes("shop.orders") && rows === 0);
  const script = await readFile(at("bare.sql"), "utf8");
  assert.doesNotMatch(script, /shop_owner|shop_reader|Clerk|VALIDATE CONSTRAINT|^COPY /m);
  assert.equal(await load(at("bare.sql"), "bare"), "");
});

/** What COPY of the server itself gives. */
async function serverCsv(table: string): Promise<string> {
  const columns = await psql(
    server,
    "shop",
    `select string_agg(quote_ident(attname), ', ' order by attnum) from pg_attribute
     where attrelid = '${table.replaceAll("'", "''")}'::regclass and attnum > 0 and not attisdropped
       and attgenerated = ''`,
  );
  const settings = "set timezone = 'UTC'; set lc_monetary = 'C'; set extra_float_digits = 3;";
  const rows = `select ${columns} from only ${table}`;
  return await psql(server, "shop", `${settings} copy (${rows}) to stdout (format csv, header)`);
}

/** The rows of a test hold line ends of either kind. */
const sorted = (text: string) => text.trimEnd().replaceAll("\r\n", "\n").split("\n").toSorted();

test("a folder of CSV holds what the server's own CSV holds", async () => {
  await dbctl.ok(...exporting("--format", "csv", "--to", at("csv")));
  assert.equal((await stat(at("csv"))).mode & 0o777, 0o700);
  const files = await readdir(at("csv"));
  assert.ok(files.includes("schema.sql") && files.includes("export.json"));
  const { tables } = JSON.parse(await readFile(at("csv/export.json"), "utf8")) as {
    tables: { name: string; file: string; rows: number }[];
  };
  assert.equal(files.length, tables.length + 2);
  for (const { file } of tables.filter(({ name }) => !name.includes(" "))) {
    const table = file.replace(/\.csv$/, "");
    const text = await readFile(at(`csv/${file}`), "utf8");
    assert.deepEqual(sorted(text), sorted(await serverCsv(table)), table);
  }
  assert.equal(await load(at("csv/schema.sql"), "empty"), "");
});

test("JSON lines hold each row; numbers that JSON cannot hold are strings", async () => {
  const tables = ["--include", "every_*", "--include", "shop.doc*"];
  await dbctl.ok(...exporting("--format", "jsonl", ...tables, "--to", at("jsonl")));
  const files = (await readdir(at("jsonl"))).toSorted();
  assert.deepEqual(files, [
    "export.json",
    "schema.sql",
    "shop.documents.jsonl",
    "shop.every_type.jsonl",
  ]);
  const read = async (file: string) =>
    (await readFile(at(`jsonl/${file}`), "utf8"))
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  const rows = await read("shop.every_type.jsonl");
  assert.equal(rows.length, 1004);
  const [first, second] = rows;
  assert.equal(first?.["c_bigint"], "-9223372036854775808");
  assert.equal(first?.["c_numeric"], "NaN");
  assert.equal(second?.["c_smallint"], 32767);
  assert.deepEqual(rows.at(-1)?.["c_jsonb"] && Object.keys(rows.at(-1)?.["c_jsonb"] ?? {}), [
    "n",
    "w",
  ]);
  assert.equal(rows[3]?.["c_boolean"], null);
  assert.equal(second?.["c_bytea"], Buffer.from("00ff0a5c", "hex").toString("base64"));
  const [document] = await read("shop.documents.jsonl");
  const hash = await psql(
    server,
    "shop",
    "select md5(encode(body, 'base64')) from shop.documents where id = 1",
  );
  const base64 = String(document?.["body"]).replace(/.{76}(?!$)/g, "$&\n");
  assert.equal(createHash("md5").update(base64).digest("hex"), hash);
});

test("what is there already is refused, and a pattern that matches nothing names the nearest", async () => {
  await writeFile(at("there"), "another's");
  const there = await dbctl.run(...exporting("--to", at("there"), "--json"));
  assert.equal(there.code, 73);
  assert.equal(there.document.error.code, "target-exists");
  const plan = await dbctl.ok(...exporting("--to", at("never"), "--dry-run"));
  assert.ok(Number(plan["tables"]) > 15 && plan["dryRun"] === true);
  const unmatched = await dbctl.run(
    ...exporting("--include", "odrers", "--to", at("none"), "--json"),
  );
  assert.equal(unmatched.code, 2);
  assert.match(unmatched.document.error.remedy, /mean orders/);
  const left = (await readdir(dbctl.folder)).filter(
    (name) => name.includes(".part") || /none|never/.test(name),
  );
  assert.deepEqual(left, []);
});

test("an export that is interrupted leaves nothing behind", async () => {
  const { repo, identity } = dbctl;
  for (const form of ["sql", "csv"] as const) {
    const stop = new AbortController();
    const { signal } = stop;
    const backup = await openBackupByName("latest", { repo, identity, signal });
    const parts = { backup, exporterOf: ({ facts }: BackupBody) => createExporter(facts) };
    const which = { include: [], exclude: [], allowNoMatch: false, owners: true, privileges: true };
    const run = async () => {
      for await (const event of exportBackup(parts, { ...which, form, to: at("half"), signal }))
        if (event.kind === "written") stop.abort(new Error("stopped"));
    };
    await assert.rejects(run(), /stopped/);
    const left = (await readdir(dbctl.folder)).filter((name) => /half|[.]part/.test(name));
    assert.deepEqual(left, []);
  }
});

test("text of other encodings comes through: as it is in SQL, as UTF-8 in CSV", async () => {
  // What psql sends is UTF-8 here, whatever the database's encoding.
  process.env["PGCLIENTENCODING"] = "UTF8";
  const create = (name: string, encoding: string) =>
    psql(server, "postgres", `create database ${name} template template0 encoding '${encoding}'`);
  await create("latin", "LATIN1");
  await create("ascii", "SQL_ASCII");
  await psql(
    server,
    "latin",
    String.raw`create type "Ö" as enum ('ä', 'b');
     create table "größe" (a text, "ß" "Ö"[]); create table nothing ();
     insert into "größe" values ('Größe \u00a4', '{ä,b}'), (null, null); insert into nothing default values;
     create domain yes as boolean; create table typed (a yes, b bytea, c "Ö"); insert into typed values (true, '\x00ff', 'ä')`,
  );
  await psql(
    server,
    "ascii",
    String.raw`create table t (a text); insert into t values (E'\xff\xfe')`,
  );
  for (const name of ["latin", "ascii"]) {
    await dbctl.ok("backup", server.url(name), "--repo", dbctl.repo);
    await dbctl.ok(...exporting("--to", at(`${name}.sql`)));
    const copy = `${name}_copy`;
    await create(copy, name === "latin" ? "LATIN1" : "SQL_ASCII");
    assert.equal(await loadInto(at(`${name}.sql`), copy), "");
    const databases = [name, copy].map((database) => ({ server, database }));
    const [source, loaded] = databases;
    assert.ok(source !== undefined && loaded !== undefined);
    assert.deepEqual(await comparePostgres(source, loaded), []);
  }
  const refused = await dbctl.run(...exporting("--format", "csv", "--to", at("no"), "--json"));
  assert.equal(refused.document.error.code, "object-unsupported");
  assert.match(
    refused.document.error.message,
    /column a of public\.t, row 1: it is no text in utf-8/,
  );
  assert.equal(await load(at("latin.sql"), "unicode"), "");
  const query = 'select * from "größe"';
  assert.equal(await psql(server, "unicode", query), await psql(server, "latin", query));
});
