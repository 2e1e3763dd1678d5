import { DbctlError, type ErrorCode } from "../../../core/errors.ts";

const codes: Record<string, { code: ErrorCode; what: string; remedy: string }> = {
  ENOSPC: { code: "store-full", what: "the disk is full", remedy: "Make room or use another disk" },
  EDQUOT: { code: "store-full", what: "the quota is used up", remedy: "Raise the quota" },
  EFBIG: { code: "store-full", what: "the file is too large", remedy: "Use another file system" },
  EACCES: denied("permission denied"),
  EPERM: denied("the file system does not allow it"),
  EROFS: denied("the file system is read-only"),
};
const otherwise = {
  code: "store-io" as const,
  remedy: "Check the disk and the system's log, then try again",
};

function denied(what: string) {
  const remedy = "Give dbctl's user the rights to the folder and all that is below it";
  return { code: "store-denied" as const, what, remedy };
}

/** Translates an error of the file system; everything else passes as it is. */
export function fileError(act: string, path: string, error: unknown): unknown {
  const errno = errnoOf(error);
  if (errno === undefined) return error;
  const { code, what, remedy } = codes[errno] ?? { ...otherwise, what: errno };
  return new DbctlError(code, `Cannot ${act} ${path}: ${what}`, { remedy, cause: error });
}

/** The error's name in errno(3), such as `ENOENT`, or undefined when it is no system's error. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("syscall" in error) || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}
