import type { Dialect } from "./statement.ts";

/** What the comments of a dump say of how it was made. */
export class DumpHeader {
  tool: string | null = null;
  toolVersion: string | null = null;
  serverVersion: string | null = null;
  readonly facts: Record<string, string> = {};
  /** Dumps begun and not ended: tools write a last line, which a cut dump lacks. */
  #open = 0;

  /** False when the tool's own last line is missing. */
  get isComplete(): boolean {
    return this.#open <= 0;
  }

  note(comment: string): void {
    this.#open += /^-- PostgreSQL database (cluster )?dump$/.test(comment) ? 1 : 0;
    this.#open -= /^-- PostgreSQL database (cluster )?dump complete$/.test(comment) ? 1 : 0;
    this.#open += /^-- (MySQL|MariaDB) dump /.test(comment) ? 1 : 0;
    this.#open -= /^-- Dump completed\b/.test(comment) ? 1 : 0;
    this.#noteTool(comment);
    this.#noteFacts(comment);
  }

  #noteTool(comment: string): void {
    const [, server] =
      /^-- (?:Dumped from database version|Server version\s) *(.+)$/.exec(comment) ?? [];
    this.serverVersion ??= server?.trim() ?? null;
    const [, program, version] = /^-- Dumped by (\w+) version (.+)$/.exec(comment) ?? [];
    this.tool ??= program ?? null;
    this.toolVersion ??= version ?? null;
    if (comment === "-- PostgreSQL database dump") this.tool ??= "pg_dump";
    if (comment === "-- PostgreSQL database cluster dump") this.tool ??= "pg_dumpall";
    const [, product, of] =
      /^-- (MySQL|MariaDB) dump \S*?(?:-|\s+Distrib )([0-9][^,]*),/.exec(comment) ?? [];
    if (product === undefined) return;
    this.tool = product === "MySQL" ? "mysqldump" : "mariadb-dump";
    this.toolVersion = of ?? null;
  }

  #noteFacts(comment: string): void {
    const [, database] = /^-- Host: .*\sDatabase: (.+)$/.exec(comment) ?? [];
    if (database !== undefined) this.facts["database"] = database.trim();
    this.noteStatement(comment);
  }

  /** Positions in the source's log stand in statements, or in comments with statements. */
  noteStatement(text: string): void {
    const [, file, offset] =
      /(?:MASTER|SOURCE)_LOG_FILE='([^']+)', (?:MASTER|SOURCE)_LOG_POS=(\d+)/i.exec(text) ?? [];
    if (file !== undefined) this.facts["binlog"] = `${file}:${offset}`;
    const [, gtid] =
      /gtid_(?:purged|slave_pos)\s*=(?:\s*\/\*.*?\*\/)?\s*'([^']*)'/i.exec(text) ?? [];
    if (gtid !== undefined) this.facts["gtid"] = gtid.replaceAll(/\s/g, "");
    const [, encoding] = /^SET client_encoding = '([^']+)'/i.exec(text) ?? [];
    if (encoding !== undefined) this.facts["encoding"] = encoding;
  }
}

/** Which product a script was written for, by marks that only one of them has. */
export function guessDialect(head: Buffer): Dialect | undefined {
  const text = head.toString("latin1");
  const postgres =
    /^-- PostgreSQL database|^\\(?:connect|restrict) |^COPY [^\n;]* FROM stdin|^SET (?:statement_timeout|client_encoding|standard_conforming_strings|search_path)\b|\bpg_catalog\.|\$\$|^\\\.$/m;
  const mysql = /^-- (?:MySQL|MariaDB) dump |\/\*M?!\d{5,6} |^(?:\w+ )+`|^DELIMITER |ENGINE=/im;
  const found = [postgres, mysql].map((marks) => marks.exec(text)?.index ?? Infinity);
  const [first = Infinity, second = Infinity] = found;
  if (first === second) return undefined;
  return first < second ? "postgres" : "mysql";
}

/** Whether bytes are text, in whatever encoding. */
export function looksLikeText(head: Buffer): boolean {
  return head.length > 0 && !head.includes(0) && /\S/.test(head.toString("latin1"));
}
