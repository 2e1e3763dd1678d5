import type { Damage } from "../statement.ts";

/** The archive is not what its format wants it to be, in a sentence without its full stop. */
export class BadArchive extends Error {
  override readonly name = "BadArchive";
  readonly kind: Damage["kind"];
  /** Byte of the file. */
  readonly byte: number;

  constructor(
    kind: Damage["kind"],
    what: string,
    { byte = 0, cause }: { byte?: number; cause?: unknown } = {},
  ) {
    super(what, cause === undefined ? {} : { cause });
    this.kind = kind;
    this.byte = byte;
  }
}
