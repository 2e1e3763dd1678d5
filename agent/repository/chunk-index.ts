import { closeSync, openSync } from "node:fs";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { DbctlError } from "../../core/errors.ts";
import type { ChunkRef } from "./map.ts";
import type { PackEntry } from "./pack.ts";

export interface PackSize {
  pack: string;
  /** Bytes. */
  size: number;
}

/**
 * Which chunks the current epoch holds, and where: only those of packs that the store has
 * confirmed. A file of the host; every thread opens it for itself.
 */
export class ChunkIndex implements Disposable {
  readonly #path: string;
  readonly #db: DatabaseSync;
  readonly #find: StatementSync;

  constructor(path: string) {
    this.#path = path;
    [this.#db, this.#find] = this.#attempt(() => {
      // SQLite gives its other files the mode of this one.
      closeSync(openSync(path, "a", 0o600));
      const db = new DatabaseSync(path, { timeout: 30_000 });
      db.exec(schema);
      return [db, db.prepare(findChunk)];
    });
  }

  find(id: Uint8Array): ChunkRef | undefined {
    const row = this.#attempt(() => this.#find.get(id));
    if (row === undefined) return undefined;
    const { pack, offset, stored, bytes } = row;
    const ref = { offset: Number(offset), stored: Number(stored), bytes: Number(bytes) };
    return { pack: String(pack), ...ref, id: Buffer.from(id).toString("hex") };
  }

  /** In one transaction. A chunk that is there already stays where it was. */
  addPack({ pack, size }: PackSize, entries: readonly PackEntry[]): void {
    this.#transact(() => {
      const insertPack = this.#db.prepare("insert into packs (pack, size) values (?, ?)");
      const number = insertPack.run(pack, size).lastInsertRowid;
      const insert = this.#db.prepare("insert or ignore into chunks values (?, ?, ?, ?, ?)");
      for (const { id, offset, stored, bytes } of entries)
        insert.run(id, number, offset, stored, bytes);
    });
  }

  /** Forgets the packs and all chunks in them. */
  dropPacks(packs: Iterable<string>): void {
    this.#transact(() => {
      for (const pack of packs) {
        this.#db.prepare(dropChunks).run(pack);
        this.#db.prepare("delete from packs where pack = ?").run(pack);
      }
    });
  }

  packs(): PackSize[] {
    const rows = this.#attempt(() => this.#db.prepare("select pack, size from packs").all());
    return rows.map(({ pack, size }) => ({ pack: String(pack), size: Number(size) }));
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }

  #transact(work: () => void): void {
    this.#attempt(() => {
      this.#db.exec("begin immediate");
      try {
        work();
        this.#db.exec("commit");
      } catch (error) {
        this.#db.exec("rollback");
        throw error;
      }
    });
  }

  #attempt<T>(work: () => T): T {
    try {
      return work();
    } catch (cause) {
      const what = cause instanceof Error ? cause.message : String(cause);
      throw new DbctlError("system-failed", `Cannot use the chunk index ${this.#path}: ${what}`, {
        remedy:
          "Check the disk of the state folder; then make the index anew with dbctl repo reindex, or back up with --fresh-epoch",
        cause,
      });
    }
  }
}

/**
 * WAL: readers in other threads go on while a pack is added. It is a cache: NORMAL is enough. 8 MB of
 * memory for every thread hold all but the leaves of the tree of ten million chunks: what is not
 * there costs one read. A long log spares the disk: a pack's chunks lie all over the file.
 */
const schema = `
  pragma journal_mode = wal;
  pragma synchronous = normal;
  pragma cache_size = -8000;
  pragma wal_autocheckpoint = 4000;
  create table if not exists packs (
    number integer primary key, pack text not null unique, size integer not null
  ) strict;
  create table if not exists chunks (
    id blob primary key, pack integer not null references packs,
    offset integer not null, stored integer not null, bytes integer not null
  ) strict, without rowid;`;

const findChunk = `
  select packs.pack, offset, stored, bytes
  from chunks join packs on packs.number = chunks.pack where id = ?`;

const dropChunks = "delete from chunks where pack = (select number from packs where pack = ?)";
