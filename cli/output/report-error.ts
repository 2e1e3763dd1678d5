import { DbctlError, errorToRecord, exitCodes } from "../../core/errors.ts";
import { printable } from "./printable.ts";
import { printResult } from "./print-result.ts";

/** Prints an error for people on stderr, with `--json` also a document on stdout. Gives the exit code. */
export async function reportError(reason: unknown, { json }: { json: boolean }): Promise<number> {
  const all = reason instanceof AggregateError ? reason.errors : [reason];
  const errors = all.map((one: unknown) => DbctlError.from(one));
  for (const error of errors) {
    console.error(`dbctl: ${printable(error.message)}`);
    console.error(`  → ${printable(error.remedy)}`);
    if (process.env["DBCTL_DEBUG"] !== undefined) console.error(errorToRecord(error).stack);
  }
  const [first = DbctlError.from(reason)] = errors;
  const { code, message, remedy } = first;
  // What cannot be written there was said on stderr, and the exit code is the error's own.
  if (json)
    await printResult({ error: { code, message, remedy } }, { json, lines: [] }).catch(() => {});
  return exitCodes[code];
}
