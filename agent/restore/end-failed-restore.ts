import { DbctlError } from "../../core/errors.ts";
import type { PreparedTarget } from "../engines/engine.ts";

/** The command lines that go on with a restore that was cut short, or drop what it has left. */
export interface RestoreCommands {
  resume: string;
  discard: string;
}

export interface FailedRestore {
  target: PreparedTarget;
  /** Whether it went on with an earlier attempt. */
  resumed: boolean;
  /** Whether rows were being loaded, or are loaded. */
  isLoading: boolean;
  parts: { loaded: number; all: number };
  commands: RestoreCommands | undefined;
}

/**
 * What is left of a restore that failed, and the error that says so. A database that was created
 * is dropped while nothing is loaded, and when it was proved not to be what the backup is. All else
 * is kept, to be gone on with; what is there of an earlier attempt is never dropped unasked.
 */
export async function endFailedRestore(error: unknown, failed: FailedRestore): Promise<unknown> {
  const { target, resumed, isLoading } = failed;
  const isDisproved = DbctlError.from(error).code === "digest-mismatch";
  if (!resumed && target.created && (isDisproved || !isLoading)) return await undo(target, error);
  return isDisproved ? disproved(error) : unfinished(error, failed);
}

/** The restore's own error is the one to report, but what is left behind must be known, too. */
async function undo(target: PreparedTarget, error: unknown): Promise<unknown> {
  try {
    await target.undo({ signal: AbortSignal.timeout(60_000) });
    return error;
  } catch (left) {
    return new AggregateError([error, left], "Cannot undo the restore");
  }
}

/** Another attempt would prove the same. */
function disproved(error: unknown): DbctlError {
  return withRemedy(error, "Then empty or drop the database, and restore into a new one");
}

function unfinished(error: unknown, { target, parts, commands }: FailedRestore): DbctlError {
  // One that was being loaded beside the failure may have come to its end.
  const kept = `At least ${parts.loaded} of ${parts.all} parts are loaded and kept`;
  const resume =
    commands === undefined ? "restore the same backup into it again" : `run \`${commands.resume}\``;
  const drop =
    commands === undefined || !target.created
      ? `${target.created ? "drop" : "empty"} the database, which holds a part of the backup`
      : `drop them with \`${commands.discard}\``;
  return withRemedy(error, `${kept}: to go on there, ${resume}; or ${drop}`);
}

function withRemedy(error: unknown, more: string): DbctlError {
  const { code, message, remedy, retryable } = DbctlError.from(error);
  return new DbctlError(code, message, { remedy: `${remedy}. ${more}`, retryable, cause: error });
}
