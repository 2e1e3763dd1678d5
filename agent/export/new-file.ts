import { randomUUID } from "node:crypto";
import { type FileHandle, link, lstat, mkdir, open, rename, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { syncFolder } from "../../core/sync-folder.ts";
import { DbctlError } from "../../core/errors.ts";

/**
 * A file that is there only once it is whole: mode 0600, written beside its place and moved there
 * by `commit`. Disposing one that was not committed leaves nothing.
 */
export class NewFile implements AsyncDisposable {
  readonly #path: string;
  readonly #part: string;
  readonly #handle: FileHandle;
  bytes = 0;

  private constructor(path: string, part: string, handle: FileHandle) {
    this.#path = path;
    this.#part = part;
    this.#handle = handle;
  }

  /** `target-exists` when there is something at the path already. */
  static async create(path: string): Promise<NewFile> {
    await refuseExisting(path);
    const part = besides(path);
    const handle = await open(part, "wx", 0o600).catch((cause) => fail(path, cause));
    return new NewFile(path, part, handle);
  }

  /** The bytes may be used again once it has resolved. */
  async write(bytes: Uint8Array): Promise<void> {
    await this.#handle.writeFile(bytes).catch((cause) => fail(this.#path, cause));
    this.bytes += bytes.length;
  }

  async commit(): Promise<void> {
    try {
      await this.#handle.sync();
      await this.#handle.close();
      await moveTo(this.#part, this.#path);
      await syncFolder(dirname(resolve(this.#path)));
    } catch (cause) {
      fail(this.#path, cause);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close().catch(() => undefined);
    await rm(this.#part, { force: true });
  }
}

/** Never replaces what came there meanwhile, but where the file system has no hard links. */
async function moveTo(part: string, path: string): Promise<void> {
  try {
    await link(part, path);
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    if (!["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"].includes(code)) throw error;
    await refuseExisting(path);
    await rename(part, path);
  }
}

/** A folder, mode 0700, that is there only once it is whole, like `NewFile`. */
export class NewFolder implements AsyncDisposable {
  readonly #path: string;
  /** Where its files are written until `commit`. */
  readonly part: string;

  private constructor(path: string, part: string) {
    this.#path = path;
    this.part = part;
  }

  static async create(path: string): Promise<NewFolder> {
    await refuseExisting(path);
    const part = besides(path);
    await mkdir(part, { mode: 0o700 }).catch((cause) => fail(path, cause));
    return new NewFolder(path, part);
  }

  async commit(): Promise<void> {
    try {
      await syncFolder(this.part);
      await refuseExisting(this.#path);
      await rename(this.part, this.#path);
      await syncFolder(dirname(resolve(this.#path)));
    } catch (cause) {
      fail(this.#path, cause);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.part, { recursive: true, force: true });
  }
}

function besides(path: string): string {
  const whole = resolve(path);
  return join(dirname(whole), `.${basename(whole).slice(0, 100)}.${randomUUID()}.part`);
}

async function refuseExisting(path: string): Promise<void> {
  const found = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") fail(path, error);
  });
  if (found !== undefined) throw exists(path);
}

function exists(path: string): DbctlError {
  return new DbctlError("target-exists", `Cannot write ${path}: it is there already`, {
    remedy: "Name another file or folder, or remove that one yourself",
  });
}

/** The name that the system was asked for is not the one that the person gave. */
function noPlace(path: string, cause: unknown): DbctlError {
  const isDenied = (cause as NodeJS.ErrnoException).code === "EACCES";
  const what = isDenied ? "permission denied in its folder" : "its folder is not there";
  return new DbctlError(
    isDenied ? "access-denied" : "file-missing",
    `Cannot write ${path}: ${what}`,
    { remedy: "Name a folder that is there, and that you may write to", cause },
  );
}

function fail(path: string, cause: unknown): never {
  if (cause instanceof DbctlError) throw cause;
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code === "EEXIST") throw exists(path);
  if (code === "ENOENT" || code === "ENOTDIR" || code === "EACCES") throw noPlace(path, cause);
  const isFull = code === "ENOSPC" || code === "EDQUOT";
  throw new DbctlError(
    isFull ? "store-full" : "cannot-create",
    `Cannot write ${path}: ${message}`,
    {
      remedy: isFull
        ? "Make room, or name a place on another disk"
        : "Check the folder and its rights",
      cause,
    },
  );
}
