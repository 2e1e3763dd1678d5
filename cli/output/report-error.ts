import { DbctlError, errorToRecord, exitCodes } from "../../core/errors.ts";

/** Prints an error for people on stderr, with `--json` also a document on stdout. Gives the exit code. */
export function reportError(reason: unknown, { json }: { json: boolean }): number {
  const all = reason instanceof AggregateError ? reason.errors : [reason];
  const errors = all.map((one: unknown) => DbctlError.from(one));
  for (const error of errors) {
    console.error(`dbctl: ${error.message}`);
    console.error(`  → ${error.remedy}`);
    if (process.env["DBCTL_DEBUG"] !== undefined) console.error(errorToRecord(error).stack);
  }
  const [first = DbctlError.from(reason)] = errors;
  const { code, message, remedy } = first;
  if (json) console.log(JSON.stringify({ error: { code, message, remedy } }));
  return exitCodes[code];
}
