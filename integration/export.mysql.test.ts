import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { after, before, test } from "node:test";
import { compareMariadb } from "./fixtures/compare-databases.ts";
import { mariadb } from "./fixtures/mariadb-client.ts";
import { type MariadbServer, startMariadb } from "./fixtures/mariadb-server.ts";
import { createMariadbShop } from "./fixtures/mariadb-shop.ts";
import { type DbctlScratch, makeDbctlScratch } from "./fixtures/run-dbctl.ts";
import { dumpMariadbSchema } from "./fixtures/schema-dump.ts";

const resources = new AsyncDisposableStack();
let server: MariadbServer;
let dbctl: DbctlScratch;

before(async () => {
  server = resources.use(await startMariadb());
  dbctl = resources.use(await makeDbctlScratch());
  await mariadb(server, "", "create database shop");
  await createMariadbShop({ server, database: "shop" }, { megabytes: 2 });
  await mariadb(
    server,
    "shop",
    `set sql_mode = ''; create table odd (id int primary key, e enum('', '0', 'x'), f double, v float)
       with system versioning;
     insert into odd values (1, 0, -0e0, 0.1), (2, '', 1e-300, -0e0), (3, '0', 0.1, 16777217);
     update odd set e = 'x' where id = 3; delete from odd where id = 2;`,
  );
  await dbctl.ok("backup", server.url("shop"), "--repo", dbctl.repo);
});
after(async () => await resources.disposeAsync());

const at = (name: string) => join(dbctl.folder, name);
const exporting = (...flags: string[]) => {
  const which = ["latest", "--repo", dbctl.repo, "--identity", dbctl.identity];
  return ["export", ...which, ...flags];
};

/** Loads a file as the vendor's client does, into a new database. */
async function load(file: string, database: string): Promise<void> {
  await mariadb(server, "", `create database ${database}`);
  const how = ["--no-defaults", "-u", "root", `--socket=${server.socket}`];
  const child = spawn("mariadb", [...how, "--binary-mode", "--comments", database], {
    stdio: ["pipe", "ignore", "pipe"],
  });
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
  const ended = once(child, "close");
  await pipeline(createReadStream(file), child.stdin).catch(() => undefined);
  const [code] = (await ended) as [number];
  assert.equal(code, 0, errors);
}

test("a script that the client loads makes the same database again", async () => {
  const result = await dbctl.ok(...exporting("--to", at("shop.sql")));
  await load(at("shop.sql"), "loaded");
  const [source, copy] = ["shop", "loaded"].map((database) => ({ server, database }));
  assert.ok(source !== undefined && copy !== undefined);
  assert.deepEqual(await compareMariadb(source, copy), []);
  assert.equal(await dumpMariadbSchema(copy), await dumpMariadbSchema(source));
  assert.ok(Number(result["rows"]) > 5000);
  const history =
    "select id, e + 0, f, v * 1e0, row_start, row_end from odd for system_time all order by 1, 5";
  assert.equal(await mariadb(server, "loaded", history), await mariadb(server, "shop", history));
});

test("dbctl import takes the script, too", async () => {
  await dbctl.ok(...exporting("--to", at("import.sql")));
  const to = ["--to", server.url("imported"), "--create", "--allow-superuser"];
  await dbctl.ok("import", at("import.sql"), ...to);
  const copy = { server, database: "imported" };
  assert.deepEqual(await compareMariadb({ server, database: "shop" }, copy), []);
});

type Row = Record<string, unknown>;

async function readLines(folder: string, table: string): Promise<Row[]> {
  const text = await readFile(at(`${folder}/shop.${table}.jsonl`), "utf8");
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Row);
}

/** Rows as the server's own JSON functions give them. */
async function serverRows(table: string, columns: string[]): Promise<Row[]> {
  // Columns of several character sets do not go into one JSON by themselves.
  const value = (column: string) =>
    table === "charsets" && column !== "id" ? `convert(${column} using utf8mb4)` : column;
  const pairs = columns.map((column) => `'${column}', ${value(column)}`).join(", ");
  const output = await mariadb(
    server,
    "shop",
    `set names utf8mb4; select hex(convert(json_object(${pairs}) using utf8mb4)) from ${table}`,
  );
  return output.split("\n").map((line) => JSON.parse(Buffer.from(line, "hex").toString()) as Row);
}

const plainTables = {
  categories: ["id", "parent", "name"],
  customers: ["id", "email", "name", "country", "interests", "joined", "loyalty", "secret"],
  notes: ["id", "body", "code"],
  charsets: ["id", "latin", "german", "wide", "old_utf8", "ascii_only"],
  without_key: ["a", "b"],
};

test("JSON lines hold what the server's own JSON holds", async () => {
  await dbctl.ok(...exporting("--format", "jsonl", "--to", at("jsonl")));
  for (const [table, columns] of Object.entries(plainTables)) {
    const found = await readLines("jsonl", table);
    const bare = found.map((row) => Object.fromEntries(columns.map((name) => [name, row[name]])));
    assert.deepEqual(bare, await serverRows(table, columns), table);
  }
  const [first, second] = await readLines("jsonl", "every_type");
  assert.equal(first?.["c_bigint"], "-9223372036854775808");
  assert.equal(first?.["c_decimal"], "-9999999999999999999999.99999");
  assert.equal(first?.["c_date"], "0000-00-00");
  assert.equal(second?.["c_bit"], "18446744073709551615");
  assert.equal(first?.["c_blob"], Buffer.from("00ff0a5c27", "hex").toString("base64"));
  assert.equal(first?.["c_float"], -3.402823e38);
  const odd = await readLines("jsonl", "odd");
  assert.deepEqual(odd.find(({ id }) => id === 1)?.["e"], "");
});

test("CSV tells NULL from the empty text, and shows bytes as digits", async () => {
  await dbctl.ok(...exporting("--format", "csv", "--to", at("csv")));
  const notes = await readFile(at("csv/shop.notes.csv"), "utf8");
  assert.match(notes, /^id,body,code\r\n/);
  assert.match(notes, /^4,(?:"(?:[^"]|"")*"|[^"]*?),""\r$/m);
  assert.match(notes, /^1,(?:"(?:[^"]|"")*"|[^"]*?),\r$/m);
  const documents = await readFile(at("csv/shop.documents.csv"), "utf8");
  const hex = await mariadb(server, "shop", "select lower(hex(body)) from documents where id = 1");
  assert.ok(documents.includes(`0x${hex}\r\n`));
  await load(at("csv/schema.sql"), "empty");
});
