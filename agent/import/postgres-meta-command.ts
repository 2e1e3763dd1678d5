import type { ScriptEvent } from "./script-lexer.ts";
import type { Place } from "./statement.ts";

/**
 * Reads a line with a psql meta-command. Only those that pg_dump and pg_dumpall write are known
 * (string_utils.c, appendPsqlMetaConnect): all others could run programs or read files.
 */
export function parseMetaCommand(line: string, place: Place): ScriptEvent[] {
  if (/^\\(?:un)?restrict [A-Za-z0-9]+$/.test(line)) return [];
  const simple = /^\\c(?:onnect)? ([A-Za-z0-9_.]+)$/.exec(line)?.[1];
  const quoted = /^\\c(?:onnect)? "((?:[^"]|"")+)"$/.exec(line)?.[1];
  const string = /^\\connect -reuse-previous=on "((?:[^"]|"")+)"$/.exec(line)?.[1];
  const database =
    simple ??
    (string === undefined ? quoted && undouble(quoted) : parseConnection(undouble(string)));
  if (database !== undefined) return [{ kind: "connect", database, place }];
  return [{ kind: "refusal", what: `the client command ${line.slice(0, 80)}`, place }];
}

function undouble(text: string): string {
  return text.replaceAll('""', '"');
}

/** `dbname='it\'s'`, and nothing else. */
function parseConnection(text: string): string | undefined {
  const value = /^dbname='((?:[^'\\]|\\[^])+)'$/.exec(text)?.[1];
  return value?.replace(/\\([^])/g, "$1");
}
