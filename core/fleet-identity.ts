import { dirname } from "node:path";
import { mkdir } from "node:fs/promises";
import { DbctlError } from "./errors.ts";
import { type Channel, openChannel } from "./grpc/client.ts";
import { readSecretFile, writeSecretFile } from "./secret-file.ts";

/** What an agent or a user shows to the controller, in one file of mode 0600. PEM. Secret. */
export interface FleetIdentity {
  format: 1;
  kind: "agent" | "user";
  /** The agent's host, the user's name. */
  name: string;
  /** The controller, `host:port`. */
  address: string;
  ca: string;
  certificate: string;
  key: string;
}

/** Undefined when there is no such file. */
export async function readFleetIdentity(path: string): Promise<FleetIdentity | undefined> {
  const text = await readSecretFile(path);
  return text === undefined ? undefined : parse(text, path);
}

/** Replaces all of it at once: certificate and key always belong together. */
export async function writeFleetIdentity(path: string, identity: FleetIdentity): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await writeSecretFile(path, `${JSON.stringify(identity, undefined, 2)}\n`);
}

export function openIdentityChannel({ address, ca, certificate, key }: FleetIdentity): Channel {
  return openChannel({ address, tls: { ca, certificate, key } });
}

function parse(text: string, path: string): FleetIdentity {
  try {
    const value: unknown = JSON.parse(text);
    if (isIdentity(value)) return value;
  } catch {
    // The parser's words would quote the key.
  }
  throw new DbctlError("config-invalid", `Cannot use ${path}: it is no identity file of dbctl`, {
    remedy: "Use the file that the controller or the enrolment wrote, unchanged",
  });
}

const texts = ["name", "address", "ca", "certificate", "key"] as const;

function isIdentity(value: unknown): value is FleetIdentity {
  if (typeof value !== "object" || value === null) return false;
  const { format, kind, ...rest } = value as Record<string, unknown>;
  const known = format === 1 && (kind === "agent" || kind === "user");
  return known && texts.every((name) => typeof rest[name] === "string");
}
