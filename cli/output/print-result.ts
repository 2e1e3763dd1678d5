import { DbctlError } from "../../core/errors.ts";
import { printable } from "./printable.ts";

/**
 * Prints what a command has to say: with `--json` one document on stdout, else lines for people.
 * Fails when it could not be written, but not when its reader has gone (`| head`).
 */
export async function printResult(
  document: object,
  { json, lines }: { json: boolean; lines: string[] },
): Promise<void> {
  const text = json ? JSON.stringify(document) : lines.map(printable).join("\n");
  await new Promise<void>((resolve, reject) => {
    process.stdout.write(`${text}\n`, (error?: NodeJS.ErrnoException | null) => {
      if (error === undefined || error === null || error.code === "EPIPE") resolve();
      else reject(unwritable(error));
    });
  });
}

function unwritable(cause: Error): DbctlError {
  return new DbctlError("store-io", `Cannot write the result to stdout: ${cause.message}`, {
    remedy: "The command itself has succeeded; look at its result with dbctl backups ls",
    cause,
  });
}
