import { DatabaseSync, type StatementSync } from "node:sqlite";
import type { ChunkRef } from "./map.ts";

/**
 * The frames that backups need, each once, by pack: as many as there are, in bounded memory. What
 * does not fit goes to a file of SQLite's own that no crash leaves behind.
 */
export class FrameList implements Disposable {
  readonly #db: DatabaseSync;
  readonly #addPack: StatementSync;
  readonly #add: StatementSync;
  readonly #frames: StatementSync;
  readonly #numbers = new Map<string, number>();

  constructor() {
    // An empty name: private, on disk only when it outgrows the cache, unlinked while it is open.
    this.#db = new DatabaseSync("");
    this.#db.exec(schema);
    this.#addPack = this.#db.prepare("insert into packs (pack) values (?)");
    this.#add = this.#db.prepare(addFrame);
    this.#frames = this.#db.prepare(framesOf);
  }

  /** `chosen`: whether it belongs to the sample; chosen once, it stays so. */
  add(refs: Iterable<{ ref: ChunkRef; chosen: boolean }>): void {
    this.#db.exec("begin");
    for (const { ref, chosen } of refs) {
      const { pack, offset, stored, bytes, id } = ref;
      const at = [this.#numberOf(pack), offset, stored, bytes];
      this.#add.run(...at, Buffer.from(id, "hex"), Number(chosen));
    }
    this.#db.exec("commit");
  }

  /** Every pack that is needed. */
  get packs(): string[] {
    return [...this.#numbers.keys()];
  }

  /** The frames of a pack, by their place. */
  of(pack: string): { ref: ChunkRef; chosen: boolean }[] {
    const number = this.#numbers.get(pack);
    if (number === undefined) return [];
    return this.#frames.all(number).map(({ offset, stored, bytes, id, chosen }) => ({
      ref: {
        pack,
        offset: Number(offset),
        stored: Number(stored),
        bytes: Number(bytes),
        id: Buffer.from(id as Uint8Array).toString("hex"),
      },
      chosen: chosen === 1,
    }));
  }

  /** How many frames there are, their bytes in packs, and those of their chunks. */
  totals(): { chunks: number; stored: number; bytes: number } {
    const row = this.#db.prepare(sums).get() ?? {};
    const number = (name: string) => Number(row[name] ?? 0);
    return { chunks: number("chunks"), stored: number("stored"), bytes: number("bytes") };
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }

  #numberOf(pack: string): number {
    const known = this.#numbers.get(pack);
    if (known !== undefined) return known;
    const number = Number(this.#addPack.run(pack).lastInsertRowid);
    this.#numbers.set(pack, number);
    return number;
  }
}

/** Two references to one place that do not agree are two frames: one of them will not open. */
const schema = `
  pragma journal_mode = off;
  pragma synchronous = off;
  pragma cache_size = -32000;
  create table packs (number integer primary key, pack text not null) strict;
  create table frames (
    pack integer not null, offset integer not null, stored integer not null,
    bytes integer not null, id blob not null, chosen integer not null,
    primary key (pack, offset, id, stored, bytes)
  ) strict, without rowid;`;

const addFrame = `
  insert into frames (pack, offset, stored, bytes, id, chosen) values (?, ?, ?, ?, ?, ?)
  on conflict do update set chosen = max(chosen, excluded.chosen)`;

const framesOf = `
  select offset, stored, bytes, id, chosen from frames where pack = ? order by offset`;

const sums = "select count(*) chunks, sum(stored) stored, sum(bytes) bytes from frames";
