import { randomUUID } from "node:crypto";
import { open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { DbctlError } from "./errors.ts";
import { syncFolder } from "./sync-folder.ts";

const maxBytes = 1 << 20;

/** The text of a file that only its owner may read, or undefined when there is no file. */
export async function readSecretFile(path: string): Promise<string | undefined> {
  try {
    await using handle = await open(path, "r");
    const { mode, size } = await handle.stat();
    if ((mode & 0o077) !== 0) throw exposed(path, mode & 0o777);
    if (size > maxBytes) throw unreadable(path, `it has ${size} bytes`);
    return await handle.readFile("utf8");
  } catch (error) {
    if (error instanceof DbctlError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return undefined;
    if (code === "EACCES") throw denied(path, error);
    throw unreadable(path, message, error);
  }
}

/** Replaces the file with the text, durably, mode 0600: all of it or nothing. */
export async function writeSecretFile(path: string, text: string): Promise<void> {
  const next = `${path}.${randomUUID()}`;
  try {
    {
      await using handle = await open(next, "wx", 0o600);
      await handle.writeFile(text);
      await handle.sync();
    }
    await rename(next, path);
    await syncFolder(dirname(path));
  } catch (cause) {
    await rm(next, { force: true });
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === "ENOSPC" || code === "EDQUOT")
      throw new DbctlError("store-full", `Cannot write ${path}: its disk is full`, {
        remedy: "Make room there",
        cause,
      });
    const remedy = "Check the folder and its rights";
    throw new DbctlError("system-failed", `Cannot write ${path}: ${message}`, { remedy, cause });
  }
}

function exposed(path: string, mode: number): DbctlError {
  const shown = mode.toString(8).padStart(4, "0");
  return new DbctlError("secret-exposed", `Cannot use ${path}: its mode is ${shown}, not 0600`, {
    remedy: `Run chmod 600 ${path}, and think about who may have read it`,
  });
}

function denied(path: string, cause: unknown): DbctlError {
  return new DbctlError("access-denied", `Cannot read ${path}: permission denied`, {
    remedy: "Run dbctl as the user that the file belongs to: nobody else may read it",
    cause,
  });
}

function unreadable(path: string, what: string, cause?: unknown): DbctlError {
  return new DbctlError("system-failed", `Cannot read ${path}: ${what}`, {
    remedy: "Check the file and the rights to it",
    cause,
  });
}
