import { createHash } from "node:crypto";
import type { TableEntry } from "../backup/backup-body.ts";
import { nameOf } from "../restore/load-tables.ts";

/** Names may have 255 bytes (POSIX, NAME_MAX); some room is for the ending and for temporary files. */
const longest = 150;

/**
 * A file's name for each table: `schema.name.csv`. What is neither letter, digit nor one of `._-` is
 * written as `%` and two hexadecimal digits per byte, so that no name leaves the folder or means
 * something to a shell; one that is too long ends in a hash.
 */
export function nameFiles(tables: readonly TableEntry[], ending: string): Map<TableEntry, string> {
  const taken = new Set<string>();
  const names = tables.map((entry): [TableEntry, string] => {
    const name = plainName(nameOf(entry));
    // File systems without upper and lower case would have two tables write one file.
    const isFree = !taken.has(name.toLowerCase());
    const own = isFree && name.length <= longest ? name : hashed(name, nameOf(entry));
    taken.add(own.toLowerCase());
    return [entry, `${own}.${ending}`];
  });
  return new Map(names);
}

function plainName(name: string): string {
  return name.replaceAll(/[^A-Za-z0-9._-]|^[.-]/gu, (character) =>
    [...Buffer.from(character)].map((byte) => `%${byte.toString(16).padStart(2, "0")}`).join(""),
  );
}

function hashed(plain: string, name: string): string {
  const hash = createHash("sha256").update(name).digest("hex").slice(0, 16);
  return `${plain.slice(0, longest - 17)}-${hash}`;
}
