import { DbctlError } from "../../core/errors.ts";
import type { RestoreOrigin, RestorePlan, SchemaObject } from "./engine.ts";

/**
 * The journal of an unfinished restore lies in the target itself, so that a step and its record are
 * one transaction: a schema of this name in PostgreSQL, a table in MySQL and MariaDB. It has a row
 * for each step, and one more, the head, that says which restore it is.
 */
export const journalName = "dbctl_restore";

export const headStep = "head";

/** The name of building the object at this place in the backup's list. */
export function objectStep(index: number): string {
  return `object ${index}`;
}

/** The name of loading this stream of the backup. */
export function streamStep(stream: number): string {
  return `stream ${stream}`;
}

/** The object that is built in this step. */
export function objectOfStep({ list }: RestorePlan, step: string): SchemaObject | undefined {
  return list.objects.find((_, index) => objectStep(index) === step);
}

export interface JournalHead {
  origin: RestoreOrigin;
  /** Whether the restore created the database. */
  created: boolean;
}

const format = 1;

export function encodeHead(head: JournalHead): string {
  return JSON.stringify({ format, ...head });
}

/** Reads a head; undefined when it is none that this version of dbctl has written. */
export function parseHead(text: string | null | undefined): JournalHead | undefined {
  if (typeof text !== "string") return undefined;
  try {
    const head = JSON.parse(text) as Partial<JournalHead & { format: number }>;
    const { origin, created } = head;
    const texts = [origin?.repository, origin?.backup, origin?.content];
    if (head.format !== format || typeof created !== "boolean" || origin === undefined)
      return undefined;
    return texts.every((one) => typeof one === "string") ? { origin, created } : undefined;
  } catch {
    return undefined;
  }
}

/** Gives the head back when it is of this very backup. */
export function checkHead(
  head: JournalHead | undefined,
  { origin, target }: { origin: RestoreOrigin | undefined; target: string },
): JournalHead {
  if (head === undefined || origin === undefined)
    throw new DbctlError(
      "restore-unknown",
      `Cannot find an unfinished restore in ${target}: it holds none`,
      {
        remedy: "Restore into an empty database, or let a new one be created (--create)",
      },
    );
  const [found, wanted] = [head.origin, origin];
  if (found.backup === wanted.backup && found.content === wanted.content) {
    if (found.repository === wanted.repository) return head;
  }
  throw new DbctlError(
    "target-changed",
    `Cannot resume the restore into ${target}: it is one of backup ${found.backup} of repository ` +
      found.repository,
    { remedy: "Resume with that backup, or drop the database and restore into a new one" },
  );
}

/** Refuses a target that is not empty because a restore into it was cut short. */
export function unfinishedRestore(target: string, head: JournalHead | undefined): DbctlError {
  const backup = head === undefined ? "a backup" : `backup ${head.origin.backup}`;
  return new DbctlError(
    "target-not-empty",
    `Cannot restore into ${target}: it holds an unfinished restore of ${backup}`,
    { remedy: "Go on with it (--resume), or drop what it has left (--discard)" },
  );
}

/** Refuses to work beside another restore. */
export function restoreRuns(target: string): DbctlError {
  return new DbctlError("busy", `Cannot restore into ${target}: another restore is at work there`, {
    remedy: "Wait for its end, then look whether there is anything left to do",
    retryable: true,
  });
}

/** What a backup lacks of a database that holds a journal: it is a part of another one. */
export const unfinishedObject = {
  kind: "unfinished restore",
  name: journalName,
  remedy: "Finish it with dbctl restore --resume, or drop the database: it is a part of a backup",
};
