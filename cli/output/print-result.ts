/**
 * Prints what a command has to say: with `--json` one document on stdout, else lines for people.
 */
export function printResult(
  document: object,
  { json, lines }: { json: boolean; lines: string[] },
): void {
  if (json) console.log(JSON.stringify(document));
  else for (const line of lines) console.log(line);
}
