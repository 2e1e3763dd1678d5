import { DbctlError } from "../../core/errors.ts";

export function objectExists(url: string, key: string): DbctlError {
  return new DbctlError("object-exists", `Cannot create ${key} in ${url}: it exists already`, {
    remedy: "Look who else writes there; what is there was not changed",
  });
}

export function objectMissing(url: string, key: string): DbctlError {
  return new DbctlError("object-missing", `Cannot read ${key} in ${url}: there is no such object`, {
    remedy: "Check that the URL is the right one and that nobody has removed the object",
  });
}

/** `until` is undefined for a legal hold, which has no end. */
export function objectLocked(url: string, key: string, until: Date | undefined): DbctlError {
  const end = until === undefined ? "under legal hold" : `retained until ${until.toISOString()}`;
  return new DbctlError("object-locked", `Cannot remove ${key} in ${url}: it is ${end}`, {
    remedy: until === undefined ? "Release the hold first" : "Wait for that time; nothing is wrong",
  });
}

export function rangePastEnd(url: string, key: string): DbctlError {
  return new DbctlError(
    "repository-damaged",
    `Cannot read ${key} in ${url}: it is shorter than it was when it was written`,
    { remedy: "Put the object back from a copy of the repository, or use another backup" },
  );
}
