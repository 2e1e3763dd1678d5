import { DbctlError } from "../../../core/errors.ts";
import type { SchemaObject } from "../engine.ts";
import { encodeText } from "./text.ts";

/** Manual, "Lexical Structure", with standard_conforming_strings on. No comment is ever in it. */
const before = String.raw`(?<![\w$\u0080-\uffff])`;
const tag = String.raw`\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$`;
const quoted = new RegExp(
  [
    String.raw`${before}[eE]'[^'\\]*(?:(?:\\[^]|'')[^'\\]*)*'`,
    `'[^']*(?:''[^']*)*'`,
    `"[^"]*(?:""[^"]*)*"`,
    String.raw`${before}(${tag})[^]*?\1`,
  ].join("|"),
  "g",
);
const dangerous = new RegExp(String.raw`[\\'"\0]|/\*|--|${before}${tag}`);

/**
 * An object's statements for psql. One with a backslash, an open quote or a comment outside of what
 * is quoted is refused: psql could take a command of its own out of it (SEC-11). No server that
 * prints its catalog writes one.
 */
export function clientScript(object: SchemaObject): Buffer {
  for (const statement of object.statements) {
    if (!dangerous.test(statement.replace(quoted, " "))) continue;
    const { kind, name } = object;
    throw new DbctlError(
      "object-unsupported",
      `Cannot write ${kind} ${name}: psql may misread it`,
      {
        remedy: "Restore the backup with dbctl restore, which does not use psql",
      },
    );
  }
  return encodeText(`${object.statements.map((statement) => `${statement};\n`).join("")}\n`);
}
