import { DbctlError } from "../../core/errors.ts";

interface Details {
  /** Byte of the object. */
  offset?: number;
  cause?: unknown;
}

/** The error for an object of the repository that is not what was written. */
export function damaged(object: string, what: string, { offset, cause }: Details = {}): DbctlError {
  const where = offset === undefined ? "" : ` (at byte ${offset})`;
  return new DbctlError("repository-damaged", `${sentence(object)}${what}${where}`, {
    remedy: "Put the object back from a copy of the repository, or use another backup",
    cause,
  });
}

/** The error for an object that a later version of dbctl has written. */
export function newer(object: string, version: number): DbctlError {
  return new DbctlError("repository-newer", `${sentence(object)}its format is ${version}, not 1`, {
    remedy: "Use the version of dbctl that wrote it, or a later one",
  });
}

/** What is wrong, without the object's name. */
export function damageOf(object: string, error: DbctlError): string {
  const { message } = error;
  return message.startsWith(sentence(object)) ? message.slice(sentence(object).length) : message;
}

function sentence(object: string): string {
  return `Cannot read ${object}: `;
}

const damages = new Set(["repository-damaged", "repository-newer", "object-missing", "store-io"]);

/** Whether the error is about one object, so that a check goes on with the others. */
export function isDamage(error: unknown): error is DbctlError {
  return error instanceof DbctlError && damages.has(error.code);
}
