import type { Dialect } from "./statement.ts";

const postgresName = String.raw`(?:"(?:[^"]|"")+"|[\w$\x80-\uffff]+)`;
const mysqlName = "(?:`(?:[^`]|``)+`|[\\w$\\x80-\\uffff]+)";
const qualified = (name: string) => `${name}(?:\\s*\\.\\s*${name})*`;

const patterns: Record<Dialect, { rows: RegExp; table: RegExp }> = {
  postgres: {
    rows: new RegExp(`^(?:COPY|INSERT\\s+INTO)\\s+(?:ONLY\\s+)?(${qualified(postgresName)})`, "i"),
    table: new RegExp(
      `^(?:ALTER\\s+TABLE\\s+(?:ONLY\\s+)?|CREATE\\s+(?:UNIQUE\\s+)?INDEX\\s+(?:${postgresName}\\s+)?ON\\s+(?:ONLY\\s+)?)(${qualified(postgresName)})`,
      "i",
    ),
  },
  mysql: {
    rows: new RegExp(
      `^(?:INSERT|REPLACE)\\s+(?:(?:LOW_PRIORITY|DELAYED|HIGH_PRIORITY|IGNORE)\\s+)*INTO\\s+(${qualified(mysqlName)})`,
      "i",
    ),
    table: /(?!)/,
  },
};

/** Names and what stands before them are shorter. */
const headBytes = 1024;

/** The table that a COPY or INSERT gives rows to, as it is written. */
export function rowsTable(sql: Buffer, dialect: Dialect): string | undefined {
  return patterns[dialect].rows.exec(sql.toString("utf8", 0, headBytes))?.[1];
}

/** The table that an ALTER TABLE or CREATE INDEX changes, as it is written. */
export function changedTable(sql: Buffer, dialect: Dialect): string | undefined {
  return patterns[dialect].table.exec(sql.toString("utf8", 0, headBytes))?.[1];
}
