import { join } from "node:path";
import { DbctlError } from "../../core/errors.ts";
import { type EpochFile } from "./epoch-file.ts";
import { instancePattern, randomIdPattern, timedIdPattern } from "./identifier.ts";
import { count, hex32, isoTime, nullable, oneOf, record, text } from "./json-shape.ts";
import { readSecretFile, writeSecretFile } from "../../core/secret-file.ts";
import type { SigningKey } from "./signer.ts";

/** A manifest of this host, as the next one refers to it. */
export interface ManifestLink {
  id: string;
  sequence: number;
  /** `hashOf` the manifest. */
  hash: string;
}

/** What a host keeps between two backups of one server. Secret. */
export interface SavedState {
  format: 1;
  epoch: Omit<EpochFile, "format" | "signer">;
  signer: SigningKey;
  /** The last manifest that was certainly committed. */
  last: ManifestLink | null;
  /** Written before a manifest is put: after a crash, nobody knows whether it was committed. */
  pending: ManifestLink | null;
}

export async function loadState(folder: string): Promise<SavedState | undefined> {
  const path = join(folder, fileName);
  const json = await readSecretFile(path);
  if (json === undefined) return undefined;
  try {
    return stateShape(parseSecret(json), "state");
  } catch (error) {
    throw new DbctlError("system-failed", `Cannot use ${path}: ${(error as Error).message}`, {
      remedy: "Back up with --fresh-epoch (in full, once); older backups stay readable",
    });
  }
}

/** The parser's own error quotes the text, and this one is secret. */
function parseSecret(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    throw new SyntaxError("it is no JSON document");
  }
}

export async function saveState(folder: string, state: SavedState): Promise<void> {
  await writeSecretFile(join(folder, fileName), `${JSON.stringify(state)}\n`);
}

const fileName = "state.json";

const link = record<ManifestLink>({ id: text(timedIdPattern), sequence: count, hash: hex32 });

const stateShape = record<SavedState>({
  format: oneOf(1),
  epoch: record<SavedState["epoch"]>({
    repository: text(randomIdPattern),
    instance: text(instancePattern),
    epoch: text(timedIdPattern),
    key: hex32,
    created: isoTime,
  }),
  signer: record({ public: hex32, private: hex32 }),
  last: nullable(link),
  pending: nullable(link),
});
