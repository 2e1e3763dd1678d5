import { DbctlError } from "../../../core/errors.ts";
import { FieldReader } from "./field-reader.ts";
import { protocolViolated, refused } from "./server-error.ts";

/** What the server says of a statement without rows. */
export interface Outcome {
  affectedRows: number;
  warnings: number;
  info: string;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A value as text; what is no UTF-8 is an error. */
export function decodeText(value: Buffer | null, act: string): string | null {
  try {
    return value === null ? null : utf8.decode(value);
  } catch (cause) {
    throw new DbctlError("object-unsupported", `Cannot ${act}: the text is not valid UTF-8`, {
      remedy: "Look for bytes that are no text in defaults, comments or literals",
      cause,
    });
  }
}

/** OK_Packet of the protocol manual. */
export function parseOutcome(payload: Buffer): Outcome {
  const fields = new FieldReader(payload);
  if (fields.uint(1) !== 0x00) throw protocolViolated("it did not confirm a statement");
  const affectedRows = fields.length();
  fields.length();
  fields.uint(2);
  const warnings = fields.uint(2);
  const rest = fields.rest();
  // Without session tracking the rest is the text; some servers put its length in front.
  const info = rest.toString("utf8").replace(/^[^\w]/, "");
  return { affectedRows, warnings, info };
}

/** ERR_Packet of the protocol manual. */
export function parseRefusal(payload: Buffer, act: string): DbctlError {
  const fields = new FieldReader(payload, 1);
  const errno = fields.uint(2);
  const rest = fields.rest().toString("utf8");
  const [, state = "", message = rest] = /^#(.{5})([^]*)$/.exec(rest) ?? [];
  return refused({ errno, state, message }, act);
}
