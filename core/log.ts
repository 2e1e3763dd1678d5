import { DbctlError } from "./errors.ts";
import type { Secret } from "./secret.ts";

export type LogValue = string | number | bigint | boolean | null | undefined | Date | Secret;
export type LogFields = Record<string, LogValue | readonly string[]>;

/** One JSON line on stderr for each event: time, level, event, fields. For journald and people. */
export const log = {
  info: (event: string, fields: LogFields = {}) => write("info", event, fields),
  warn: (event: string, fields: LogFields = {}) => write("warn", event, fields),
  error: (event: string, fields: LogFields = {}) => write("error", event, fields),
};

/** An error as fields of a log line. */
export function errorFields(reason: unknown): LogFields {
  const { code, message, remedy, stack } = DbctlError.from(reason);
  return { code, message, remedy, ...(code === "internal-bug" ? { stack } : {}) };
}

function write(level: string, event: string, fields: LogFields): void {
  const line = { at: new Date().toISOString(), level, event, ...fields };
  const text = JSON.stringify(line, (_, value: unknown) =>
    typeof value === "bigint" ? String(value) : value,
  );
  process.stderr.write(`${text}\n`);
}
