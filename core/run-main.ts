import { DbctlError, exitCodes } from "./errors.ts";
import { errorFields, log } from "./log.ts";

/** How long what else runs may take to end after a failure. */
const failedGraceMs = 1_000;

/**
 * Runs a long-lived process: the first SIGTERM or SIGINT aborts the signal and lets the work drain,
 * the second ends the process at once. Logs what ended it, sets the exit code. A failure ends the
 * process, whatever else still runs in it.
 */
export async function runMain(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const stop = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const)
    process.on(name, () => {
      if (stop.signal.aborted) process.exit(exitCodes.interrupted);
      log.info("stopping", { signal: name });
      stop.abort(
        new DbctlError("interrupted", `Cannot go on: stopped by ${name}`, {
          remedy: "Start the service again",
          retryable: true,
        }),
      );
    });
  try {
    await work(stop.signal);
    log.info("stopped");
  } catch (error) {
    // A drain that ends with the very reason for it has gone well.
    if (error === stop.signal.reason) return log.info("stopped");
    log.error("failed", errorFields(error));
    process.exitCode = exitCodes[DbctlError.from(error).code];
    // What still runs beside it must not keep a process that has failed.
    stop.abort(error);
    setTimeout(() => process.exit(), failedGraceMs).unref();
  }
}
