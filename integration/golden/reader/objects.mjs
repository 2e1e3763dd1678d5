// Objects of a repository that lies in a folder: an object's key is its path there.

import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { join } from "node:path";

/** Names in a folder, in order; none when there is no such folder. */
export function names(folder, prefix) {
  const path = join(folder, prefix);
  return fs.existsSync(path) ? fs.readdirSync(path).toSorted() : [];
}

/** Objects that are numbered in eight digits, in order: `{ key, number }`. */
export function numbered(folder, prefix, suffix) {
  return names(folder, prefix)
    .filter((name) => /^\d{8}$/.test(name.slice(0, 8)) && name.slice(8) === suffix)
    .map((name) => ({ key: `${prefix}/${name}`, number: Number(name.slice(0, 8)) }));
}

/** An object that begins with seven letters and the version of the format. */
export function readTagged(path, letters) {
  const bytes = fs.readFileSync(path);
  check(bytes.toString("latin1", 0, 7) === letters, `${path}: this is no ${letters}`);
  check(bytes[7] === 1, `${path}: version ${bytes[7]} is newer than this reader`);
  return bytes;
}

/** JSON with exactly these fields. */
export function parseJson(bytes, fields, where) {
  const json = JSON.parse(bytes);
  check(
    json.format === undefined || json.format === 1,
    `${where}: format ${json.format} is newer than this reader`,
  );
  const [found, wanted] = [Object.keys(json), fields.split(" ")].map((some) => some.toSorted());
  check(String(found) === String(wanted), `${where}: it has the fields ${found.join(", ")}`);
  return json;
}

export function readJson(path, fields) {
  return parseJson(fs.readFileSync(path), fields, path);
}

export const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

export function check(holds, message) {
  if (!holds) throw new Error(message);
}
