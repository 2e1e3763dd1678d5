import { DbctlError } from "../../core/errors.ts";
import type { Dialect } from "./statement.ts";

const name: Record<Dialect, string> = {
  postgres: String.raw`(?:"(?<quoted>(?:[^"]|"")+)"|(?<plain>[\w$\x80-\uffff]+))`,
  mysql: "(?:`(?<quoted>(?:[^`]|``)+)`|(?<plain>[\\w$\\x80-\\uffff]+))",
};
const notThere = String.raw`(?:\/\*!\d* *)?(?:IF (?:NOT )?EXISTS *)?(?:\*\/ *)?`;

interface Patterns {
  /** Makes or drops a database. */
  makes: RegExp;
  /** Changes one, in other ways. */
  changes: RegExp;
}

const patterns: Record<Dialect, Patterns> = {
  postgres: patternsOf("postgres"),
  mysql: patternsOf("mysql"),
};

/** MySQL's `ALTER DATABASE` without a name is about the database that is used. */
function patternsOf(dialect: Dialect): Patterns {
  const heads =
    dialect === "postgres"
      ? String.raw`ALTER DATABASE|COMMENT ON DATABASE|SECURITY LABEL [^']*ON DATABASE|(?:GRANT|REVOKE) [^']*?ON DATABASE`
      : String.raw`ALTER (?:DATABASE|SCHEMA)(?! (?:DEFAULT|CHARACTER|CHARSET|COLLATE|COMMENT)\b)`;
  return {
    makes: new RegExp(
      String.raw`^(?:\/\*!\d* *)?(?<verb>CREATE|DROP) (?:DATABASE|SCHEMA) ${notThere}${name[dialect]}(?<rest>[^]*)$`,
      "i",
    ),
    changes: new RegExp(String.raw`^(?<head>${heads}) ${name[dialect]}(?<rest>[^]*)$`, "i"),
  };
}

/** Statements about databases are short. */
const headLimit = 20_000;

/**
 * Makes statements about the dump's databases, which name them, ones about those that are imported
 * into. Gives undefined for a statement that is not to be run: the databases are made otherwise.
 */
export class DatabaseNames {
  readonly #dialect: Dialect;
  readonly #targets: ReadonlyMap<string, string>;

  constructor(dialect: Dialect, targets: ReadonlyMap<string, string>) {
    this.#dialect = dialect;
    this.#targets = targets;
  }

  /** The database that is imported into instead; an error for one that the dump does not hold. */
  targetOf(database: string): string {
    const target = this.#targets.get(database);
    if (target !== undefined) return target;
    throw new DbctlError(
      "dump-refused",
      `Cannot import into database ${database}: it is not asked for`,
      {
        remedy: "The dump names a database that it does not hold: take that statement out",
      },
    );
  }

  rewrite(sql: Buffer): Buffer | undefined {
    if (sql.length > headLimit) return sql;
    // In Latin-1 every byte is a character, so that none is changed.
    const text = sql.toString("latin1");
    const { makes, changes } = patterns[this.#dialect];
    const made =
      this.#dialect === "postgres" && /^\w+ SCHEMA/i.test(text) ? null : makes.exec(text);
    if (made !== null) return this.#rewriteMaking(made);
    const { groups } = changes.exec(text) ?? {};
    if (groups === undefined) return sql;
    const target = this.#quotedTarget(groups);
    return Buffer.from(`${groups["head"]} ${target}${groups["rest"]}`, "latin1");
  }

  /** MySQL's options of a database can be set later; those of PostgreSQL cannot. */
  #rewriteMaking({ groups = {} }: RegExpExecArray): Buffer | undefined {
    if (isSystemDatabase(this.#dialect, groups["quoted"] ?? groups["plain"] ?? ""))
      return undefined;
    const target = this.#quotedTarget(groups);
    const options = (groups["rest"] ?? "").trim();
    const isCreate = /create/i.test(groups["verb"] ?? "");
    if (this.#dialect === "postgres" || !isCreate || !/[a-z]/i.test(options)) return undefined;
    return Buffer.from(`ALTER DATABASE ${target} ${options}`, "latin1");
  }

  #quotedTarget({ quoted, plain = "" }: Record<string, string | undefined>): string {
    const quote = this.#dialect === "postgres" ? '"' : "`";
    const found = quoted?.replaceAll(quote + quote, quote) ?? plain;
    const target = this.targetOf(Buffer.from(found, "latin1").toString("utf8"));
    const bytes = Buffer.from(target).toString("latin1");
    return `${quote}${bytes.replaceAll(quote, quote + quote)}${quote}`;
  }
}

const systemDatabases = ["mysql", "sys", "information_schema", "performance_schema"];

/** Those of MySQL and MariaDB hold the source server's own tables: never imported. */
export function isSystemDatabase(dialect: Dialect, database: string): boolean {
  return dialect === "mysql" && systemDatabases.includes(database.toLowerCase());
}

/** The database that a statement makes. */
export function madeDatabase(dialect: Dialect, sql: string): string | undefined {
  const { quoted, plain } = patterns[dialect].makes.exec(sql)?.groups ?? {};
  const quote = dialect === "postgres" ? '"' : "`";
  return quoted?.replaceAll(quote + quote, quote) ?? plain;
}

/** Encoding and locale as a CREATE DATABASE of PostgreSQL has them, by the manifest's names. */
export function databaseSettings(create: string): Record<string, string> {
  const settings: Record<string, string> = {};
  const names: Record<string, string[]> = {
    ENCODING: ["encoding"],
    LOCALE: ["collate", "ctype"],
    LC_COLLATE: ["collate"],
    LC_CTYPE: ["ctype"],
    LOCALE_PROVIDER: ["localeProvider"],
    ICU_LOCALE: ["locale"],
    BUILTIN_LOCALE: ["locale"],
    ICU_RULES: ["icuRules"],
  };
  for (const [, option = "", quoted, plain] of create.matchAll(
    /\b([A-Z_]+) = (?:'((?:[^']|'')*)'|(\w+))/g,
  ))
    for (const setting of names[option] ?? [])
      settings[setting] = quoted?.replaceAll("''", "'") ?? plain ?? "";
  return settings;
}
