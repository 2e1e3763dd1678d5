import { mkdir } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { DbctlError } from "../../core/errors.ts";
import { readSecretFile, writeSecretFile } from "../../core/secret-file.ts";

interface Pin {
  controller: string;
  host: string;
  /** age public key. */
  recipient: string;
}

/**
 * Keeps the key of each host's agent from its first use on, and refuses another one: a controller
 * that was taken over must not have keys sealed to itself (SEC-08).
 */
export async function pinRecipient(
  { controller, host, recipient }: Pin,
  path = join(homedir(), ".config", "dbctl", "known-agents.json"),
): Promise<void> {
  const known = parse(await readSecretFile(path), path);
  const name = `${controller} ${host}`;
  if (known[name] === recipient) return;
  if (known[name] !== undefined)
    throw new DbctlError(
      "identity-wrong",
      `Cannot grant a key to ${host}: its own key has changed`,
      {
        remedy: `If its agent was set up anew (compare agent-identity.txt there), remove "${name}" from ${path}`,
      },
    );
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await writeSecretFile(path, `${JSON.stringify({ ...known, [name]: recipient }, undefined, 2)}\n`);
}

function parse(text: string | undefined, path: string): Record<string, string> {
  if (text === undefined) return {};
  try {
    return JSON.parse(text) as Record<string, string>;
  } catch (cause) {
    throw new DbctlError("config-invalid", `Cannot use ${path}: it is no JSON`, {
      remedy: "Put it right, or remove it and compare the agents' keys by hand at the next restore",
      cause,
    });
  }
}
