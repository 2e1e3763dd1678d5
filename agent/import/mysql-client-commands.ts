/** As mariadb-dump and mysqldump write it, so that a client takes no commands from then on. */
export const sandboxLine = /^\/\*M?!999999\\- enable the sandbox mode \*\/$/;

/** Commands of the mysql and mariadb clients that are no statements, but for DELIMITER. */
export const clientCommands: ReadonlySet<string> = new Set(
  (
    "CHARSET CLEAR CONNECT COSTS EDIT EGO EXIT GO NOPAGER NOTEE NOWARNING " +
    "PAGER PRINT PROMPT QUERY_ATTRIBUTES QUIT REHASH RESETCONNECTION " +
    "SANDBOX SOURCE SSL_SESSION_DATA_PRINT STATUS SYSTEM TEE WARNINGS"
  ).split(" "),
);

const delimiterLimit = 64;

/** The delimiter that the arguments of DELIMITER name; undefined when it cannot be used. */
export function parseDelimiter(line: string): Buffer | undefined {
  const delimiter = Buffer.from(line.trim().split(/\s/)[0] ?? "");
  const isUsable = delimiter.length > 0 && delimiter.length <= delimiterLimit;
  return isUsable && !/[\\'"`]/.test(line) ? delimiter : undefined;
}
