import { closeSync, openSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { DbctlError } from "../../core/errors.ts";

const sqliteBusy = 5;

/**
 * Holds the file until disposed or until the process dies, however it dies; `busy` while another
 * one holds it. Node knows no flock(2): an exclusive transaction of SQLite is one.
 */
export function lockFile(path: string, what: string): Disposable {
  const db = openFile(path);
  try {
    db.exec("begin exclusive");
  } catch (cause) {
    db.close();
    if ((cause as { errcode?: number }).errcode !== sqliteBusy) throw unusable(path, cause);
    throw new DbctlError("busy", `Cannot use ${what}: another process uses it`, {
      remedy: "Wait until the other backup of this server has ended, then try again",
      retryable: true,
      cause,
    });
  }
  return { [Symbol.dispose]: () => db.close() };
}

function openFile(path: string): DatabaseSync {
  try {
    closeSync(openSync(path, "a", 0o600));
    return new DatabaseSync(path, { timeout: 0 });
  } catch (cause) {
    throw unusable(path, cause);
  }
}

function unusable(path: string, cause: unknown): DbctlError {
  return new DbctlError("system-failed", `Cannot lock ${path}: ${(cause as Error).message}`, {
    remedy: "Check the rights to the file and its disk; a broken lock file may be removed",
    cause,
  });
}
