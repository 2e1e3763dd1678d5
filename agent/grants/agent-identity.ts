import { identityToRecipient } from "age-encryption";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { existsSync } from "node:fs";
import type { Secret } from "../../core/secret.ts";
import { generateIdentity, readIdentityFile } from "../repository/identity.ts";
import { writeSecretFile } from "../../core/secret-file.ts";

export interface AgentIdentity {
  identity: Secret;
  /** age public key: what is sealed to it, only this agent opens. */
  recipient: string;
}

/** The agent's own age key pair, made on its first start; 0600 in the state folder. */
export async function openAgentIdentity(stateDir: string): Promise<AgentIdentity> {
  const path = join(stateDir, "agent-identity.txt");
  if (existsSync(path)) {
    const identity = await readIdentityFile(path);
    return { identity, recipient: await identityToRecipient(identity.reveal()) };
  }
  await mkdir(stateDir, { recursive: true, mode: 0o700 });
  const made = await generateIdentity();
  await writeSecretFile(path, `# public key: ${made.recipient}\n${made.identity.reveal()}\n`);
  return made;
}
