import { open } from "node:fs/promises";
import type { Secret } from "../../core/secret.ts";
import { DbctlError } from "../../core/errors.ts";

/** Writes an identity as age-keygen(1) does, to a file that is not there yet, mode 0600. */
export async function writeIdentity(
  path: string,
  { identity, recipient, now }: { identity: Secret; recipient: string; now: Date },
): Promise<void> {
  const text = `# created: ${now.toISOString()}\n# public key: ${recipient}\n${identity.reveal()}\n`;
  try {
    await using file = await open(path, "wx", 0o600);
    await file.writeFile(text);
    await file.sync();
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const what = code === "EEXIST" ? "it is there already" : message;
    throw new DbctlError("cannot-create", `Cannot write the identity to ${path}: ${what}`, {
      remedy: "Name a file that does not exist yet, in a folder you may write to",
      cause,
    });
  }
}
