import { DbctlError, exitCodes } from "./errors.ts";
import { errorFields, log } from "./log.ts";

/**
 * Runs a long-lived process: the first SIGTERM or SIGINT aborts the signal and lets the work drain,
 * the second ends the process at once. Logs what ended it, sets the exit code.
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
  }
}
