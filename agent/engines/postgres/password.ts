import { readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { DbctlError } from "../../../core/errors.ts";
import { Secret } from "../../../core/secret.ts";
import { isSocket, type PostgresTarget } from "./target.ts";

/** PGPASSWORD, else the password file (PGPASSFILE or ~/.pgpass), as libpq looks for them. */
export function resolvePassword(
  target: PostgresTarget,
  env: NodeJS.ProcessEnv,
): Secret | undefined {
  if (env["PGPASSWORD"]) return new Secret(env["PGPASSWORD"]);
  const path = env["PGPASSFILE"] || join(env["HOME"] ?? homedir(), ".pgpass");
  const text = readPasswordFile(path, { mustExist: Boolean(env["PGPASSFILE"]) });
  return text === undefined ? undefined : findPassword(text, target);
}

/** The first line that fits. Form: libpq's manual, "The Password File". */
export function findPassword(text: string, target: PostgresTarget): Secret | undefined {
  const { host, port, database, user } = target;
  const hosts = isSocket(target) ? [host, "localhost"] : [host];
  const wanted = [hosts, [String(port)], [database], [user]];
  for (const line of text.split(/\r?\n/)) {
    if (line.startsWith("#")) continue;
    const fields = splitLine(line);
    const password = fields.at(4);
    if (password === undefined || password === "") continue;
    const fits = wanted.every((names, i) => fields[i] === undefined || names.includes(fields[i]));
    if (fits) return new Secret(password);
  }
  return undefined;
}

/** Fields between colons, `\:` and `\\` unescaped; `undefined` is the wildcard `*`. */
function splitLine(line: string): (string | undefined)[] {
  const raw = line.match(/(?:\\.|[^:\\]|\\$)+|(?<=:|^)(?=:|$)/gs) ?? [];
  const unescape = (field: string) => field.replaceAll(/\\(.)/gs, "$1");
  return raw.map((field, i) => (field === "*" && i < 4 ? undefined : unescape(field)));
}

function readPasswordFile(path: string, { mustExist }: { mustExist: boolean }): string | undefined {
  try {
    const status = statSync(path);
    if (!status.isFile()) throw unusable(path, "it is not a regular file");
    if ((status.mode & 0o077) !== 0) throw readable(path);
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof DbctlError) throw error;
    if (!mustExist && (error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw unusable(path, (error as Error).message);
  }
}

function readable(path: string): DbctlError {
  return new DbctlError(
    "secret-exposed",
    `Cannot use the password file ${path}: others than its owner can read it`,
    { remedy: `Run: chmod 0600 ${path}` },
  );
}

function unusable(path: string, what: string): DbctlError {
  return new DbctlError("file-missing", `Cannot read the password file ${path}: ${what}`, {
    remedy: "Make the file readable for the user that runs dbctl, or unset PGPASSFILE",
  });
}
