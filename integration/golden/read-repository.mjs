// A reader of repositories, format 1, written after docs/format.md alone: no code of dbctl, nothing
// but Node. It opens one backup of a repository in a folder, proves what the document says can be
// proved, and writes every table to a file. An example for readers in other languages.
//
//   node read-repository.mjs <repository folder> <key file> [<backup>] <new folder>
//
// The key file holds an age identity (AGE-SECRET-KEY-1…) or the passphrase of a recipient. Without
// <backup>, the newest one that is not deleted is taken.

import * as crypto from "node:crypto";
import * as fs from "node:fs";
import { join } from "node:path";
import { deriveKeys, openBody, openMaps, readStream } from "./reader/backup-streams.mjs";
import { check, names, numbered, parseJson, readJson, readTagged } from "./reader/objects.mjs";
import { isIdentityOf, openAgeFile } from "./reader/open-age-file.mjs";
import { RowSums, splitRows, tableFiles } from "./reader/table-rows.mjs";

function main([folder, keyFile, ...rest]) {
  const [out, wanted] = rest.toReversed();
  if (out === undefined || rest.length > 2)
    throw new Error("usage: read-repository.mjs <repository> <key file> [<backup>] <new folder>");
  const repository = openRepository(folder);
  const backup = findBackup(repository, wanted);
  const { header, path } = backup;
  const keys = readKeys(repository, fs.readFileSync(keyFile, "utf8").trim());
  const epoch = openEpoch(repository, header, keys);
  const body = openBody(epoch, backup);
  const streams = openMaps(epoch, { header, folder: backup.folder, body });
  const content = JSON.stringify(body.content);
  const { list, tables, ...facts } = parseJson(content, "tool facts position list tables", path);
  const named = tables.flatMap((table) => table.streams).toSorted((a, b) => a - b);
  const there = [...streams.keys()].toSorted((a, b) => a - b);
  check(String(named) === String(there), `${path}: the tables' streams are not those in the maps`);
  fs.mkdirSync(out);
  for (const table of tables) restoreTable(epoch, table, { streams, out });
  writeJson(join(out, "backup.json"), { header, ...facts, tables });
  writeJson(join(out, "objects.json"), list);
  process.stdout.write(`${header.id} ${header.state}: ${tables.length} tables\n`);
}

function restoreTable(epoch, { data, streams: numbers, sums }, { streams, out }) {
  const { extension, begin, row: write, end } = tableFiles[data.format];
  const name = `${encodeURIComponent(data.schema)}.${encodeURIComponent(data.name)}.${extension}`;
  const file = fs.openSync(join(out, name), "wx");
  fs.writeSync(file, begin);
  const added = new RowSums(epoch.rows);
  for (const number of numbers) {
    const rows = [...splitRows(data, readStream(epoch, streams.get(number)))];
    for (const row of rows) added.add(row);
    fs.writeSync(file, Buffer.concat(rows.map((row) => write(row, data.columns.length))));
  }
  fs.writeSync(file, end);
  fs.closeSync(file);
  const [found, expected] = [added.sums, sums].map((one) => JSON.stringify(one));
  check(found === expected, `${name}: its rows are ${found}, not ${expected}`);
}

function writeJson(path, json) {
  fs.writeFileSync(path, `${JSON.stringify(json, null, 2)}\n`);
}

// The repository and its backups

function openRepository(folder) {
  const path = join(folder, "repository.json");
  const { id, recipients } = readJson(path, "format id created chunking recipients");
  const later = numbered(folder, "~control/recipients", "").at(-1);
  if (later === undefined) return { folder, id, recipients };
  const list = readJson(join(folder, later.key), "format repository number recipients");
  check(list.repository === id && list.number === later.number, `${later.key}: misplaced`);
  return { folder, id, recipients: list.recipients };
}

const backupName = /^\d{8}T\d{6}Z-[0-9a-hjkmnp-tv-z]{8}$/;
const instanceName = /^[A-Za-z0-9_][A-Za-z0-9_.=~+-]{0,119}$/;

/** The manifest of the wanted backup, or of the newest that is not deleted, and where it is. */
function findBackup(repository, wanted) {
  const backups = names(repository.folder, "")
    .filter((name) => instanceName.test(name))
    .flatMap((instance) =>
      names(repository.folder, `${instance}/backups`)
        .filter((name) => backupName.test(name))
        .map((id) => ({ instance, id, folder: join(repository.folder, instance, "backups", id) })),
    )
    .filter(({ folder }) => fs.existsSync(join(folder, "manifest")))
    .filter((one) => (wanted === undefined ? !isDeleted(repository, one) : one.id === wanted))
    .toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const backup = backups.at(-1);
  check(backup !== undefined, `there is no backup ${wanted ?? "that is not deleted"}`);
  return { folder: backup.folder, ...readManifest(repository, backup) };
}

/** What the last of the marks that delete or undelete says. */
function isDeleted({ folder, id }, backup) {
  const fields = "format repository instance backup number id mark at by reason window tag";
  const place = `~control/marks/${backup.instance}/${backup.id}`;
  const marks = numbered(folder, place, "").map(({ key, number }, n) => {
    const mark = readJson(join(folder, key), fields);
    const isOfBackup = mark.instance === backup.instance && mark.backup === backup.id;
    const isThere = mark.repository === id && mark.number === number && number === n + 1;
    check(isOfBackup && isThere, `${key}: misplaced`);
    return mark.mark;
  });
  const last = marks.findLast((mark) => ["delete", "undelete", "remove"].includes(mark));
  return last === "delete" || last === "remove";
}

const headerFields =
  "format repository instance epoch id kind state source started finished sequence previous " +
  "signer sizes packs maps body";

function readManifest(repository, { folder, instance, id }) {
  const path = join(folder, "manifest");
  const bytes = readTagged(path, "DBCTLMF");
  const end = 12 + bytes.readUInt32LE(8);
  const [headerBytes, signature] = [bytes.subarray(12, end), bytes.subarray(end, end + 64)];
  const header = parseJson(headerBytes, headerFields, path);
  const isThere = header.repository === repository.id && header.instance === instance;
  check(isThere && header.id === id, `${path}: it belongs elsewhere`);
  // DER of an ed25519 public key (RFC 8410) is a fixed beginning and the 32 bytes.
  const key = crypto.createPublicKey({
    key: Buffer.from(`302a300506032b6570032100${header.signer}`, "hex"),
    format: "der",
    type: "spki",
  });
  const signed = Buffer.concat([Buffer.from("dbctl/1/manifest\n"), headerBytes]);
  check(crypto.verify(null, signed, key, signature), `${path}: the signature is wrong`);
  return { header, sealedBody: bytes.subarray(end + 64), path };
}

// Keys

/** What an epoch's file may be opened with. A passphrase opens the identity of its recipient. */
function readKeys({ recipients }, text) {
  const identities = text.split(/\s+/).filter((word) => /^AGE-SECRET-KEY-1/i.test(word));
  if (identities.length > 0) return identities.map((identity) => ({ identity }));
  const sealed = recipients.filter(({ identity }) => identity.kind === "passphrase");
  check(sealed.length > 0, "the key file holds no identity, and no recipient has a passphrase");
  return sealed.flatMap(({ recipient, identity: held }) => {
    const identity = tryPassphrase(Buffer.from(held.sealed, "base64"), text);
    if (identity === undefined) return [];
    check(isIdentityOf(identity, recipient), `what is kept for ${recipient} is not its identity`);
    return [{ identity }];
  });
}

/** The identity, or undefined when the passphrase is another recipient's. */
function tryPassphrase(file, passphrase) {
  try {
    return openAgeFile(file, [{ passphrase }]).toString();
  } catch {
    return undefined;
  }
}

function openEpoch(repository, header, keys) {
  const { instance, epoch: name } = header;
  const later = numbered(repository.folder, `~control/epochs/${instance}/${name}`, ".age").at(-1);
  const path = join(repository.folder, later?.key ?? `${instance}/epochs/${name}.age`);
  const json = openAgeFile(fs.readFileSync(path), keys);
  const file = parseJson(json, "format repository instance epoch key signer created", path);
  const isThere = file.repository === repository.id && file.instance === instance;
  check(isThere && file.epoch === name, `${path}: it belongs elsewhere`);
  check(file.signer === header.signer, `${path}: the backup was signed by somebody else`);
  return deriveKeys(Buffer.from(file.key, "hex"), {
    place: [repository.id, instance, name],
    packs: join(repository.folder, instance, "packs", name),
    sizes: new Map(header.packs.map(({ pack, size }) => [pack, size])),
  });
}

try {
  main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
