import { readFile, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { DbctlError } from "../../../core/errors.ts";
import { Secret } from "../../../core/secret.ts";
import type { MysqlTarget } from "./target.ts";

/** The password for a target: MYSQL_PWD, else `[client]` of `~/.my.cnf`; undefined when neither. */
export async function resolvePassword(
  target: MysqlTarget,
  env: NodeJS.ProcessEnv,
): Promise<Secret | undefined> {
  const given = env["MYSQL_PWD"];
  if (given !== undefined) return new Secret(given);
  const file = join(env["HOME"] ?? homedir(), ".my.cnf");
  const text = await readPrivate(file);
  if (text === undefined) return undefined;
  const options = parseOptionFile(text);
  if (options.user !== undefined && options.user !== target.user) return undefined;
  return options.password === undefined ? undefined : new Secret(options.password);
}

/** User and password of the groups that a client reads (MariaDB manual, "Option Files"). */
export function parseOptionFile(text: string): { user?: string; password?: string } {
  const found: { user?: string; password?: string } = {};
  let applies = false;
  for (const line of text.split(/\r?\n/)) {
    const trimmed = line.trim();
    const group = /^\[(.*)\]$/.exec(trimmed)?.[1];
    if (group !== undefined) applies = group === "client" || group === "dbctl";
    if (!applies || group !== undefined || /^[#;!]/.test(trimmed)) continue;
    const [, key = "", value = ""] = /^([^=\s]+)\s*=\s*(.*)$/.exec(trimmed) ?? [];
    if (key === "user" || key === "password") found[key] = unquote(value);
  }
  return found;
}

async function readPrivate(file: string): Promise<string | undefined> {
  try {
    const { mode } = await stat(file);
    if ((mode & 0o077) !== 0)
      throw new DbctlError("secret-exposed", `Cannot use ${file}: others may read it`, {
        remedy: `Run chmod 0600 ${file}`,
      });
    return await readFile(file, "utf8");
  } catch (cause) {
    if (cause instanceof DbctlError) throw cause;
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new DbctlError("secret-exposed", `Cannot read ${file}: ${(cause as Error).message}`, {
      remedy: "Make the file readable for this user only, or set MYSQL_PWD",
      cause,
    });
  }
}

const escapes: Record<string, string> = { b: "\b", t: "\t", n: "\n", r: "\r", s: " " };

function unquote(value: string): string {
  const quote = value[0];
  const quoted = (quote === "'" || quote === '"') && value.endsWith(quote) && value.length > 1;
  const bare = quoted ? value.slice(1, -1) : value.replace(/\s+#.*$/, "");
  return bare.replace(/\\(.)/g, (whole, letter: string) => {
    if (letter === "\\" || letter === "'" || letter === '"') return letter;
    return escapes[letter] ?? whole;
  });
}
