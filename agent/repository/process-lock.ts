import { closeSync, openSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { DbctlError } from "../../core/errors.ts";

const sqliteBusy = 5;

/**
 * Holds the file until disposed or until the process dies, however it dies; `busy` while another
 * one holds it. Node knows no flock(2): an exclusive transaction of SQLite is one.
 */
export function lockFile(path: string, what: string): Disposable {
  closeSync(openSync(path, "a", 0o600));
  const db = new DatabaseSync(path, { timeout: 0 });
  try {
    db.exec("begin exclusive");
  } catch (cause) {
    db.close();
    if ((cause as { errcode?: number }).errcode !== sqliteBusy) throw cause;
    throw new DbctlError("busy", `Cannot use ${what}: another process uses it`, {
      remedy: "Wait until the other backup of this server has ended, then try again",
      retryable: true,
      cause,
    });
  }
  return { [Symbol.dispose]: () => db.close() };
}
