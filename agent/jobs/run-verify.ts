import { DbctlError } from "../../core/errors.ts";
import { parseVerifyDepth } from "../../core/verify-depth.ts";
import type { VerifySpec } from "../../proto/gen/dbctl/v1/jobs_pb.ts";
import { type CheckDepth, describeDepth } from "../repository/check-depth.ts";
import { findBackup } from "../repository/list-backups.ts";
import type { BackupHeader } from "../repository/manifest.ts";
import { openRepository } from "../repository/open-repository.ts";
import { type NamedDamage, verifyBackups } from "../verify/verify-backups.ts";
import { judgeBackup } from "../verify/verify-result.ts";
import { type JobUpdate, PhaseProgress } from "./job-update.ts";
import { openBackupGrant } from "./open-granted-backup.ts";
import type { JobParts } from "./run-job.ts";

/** Looks at a backup as closely as the command says. What is damaged is its result, not its failure. */
export async function* runVerify(
  spec: VerifySpec,
  parts: JobParts,
  { signal }: { signal: AbortSignal },
): AsyncGenerator<JobUpdate> {
  const depth = depthOf(spec);
  const store = await parts.openStore(spec.repositoryUrl);
  const repository = await openRepository(store, { signal });
  const found = await unlessUnreadable(() =>
    // To look at one that was deleted does no harm.
    findBackup(store, spec.backupId, { deleted: true, signal }),
  );
  if (found instanceof DbctlError) return yield unreadable(spec, { depth, error: found });
  const keys =
    depth.kind === "quick" ? undefined : { epoch: await openBackupGrant(spec, found, parts) };
  const progress = new PhaseProgress();
  yield progress.begin(`verifying (${describeDepth(depth)})`, expectedBytes(found, depth));
  const damages: NamedDamage[] = [];
  let [bytes, chunks] = [0, 0];
  const request = { store, repository, headers: [found], keys, depth, signal };
  for await (const event of verifyBackups(request)) {
    if (event.kind === "damage") {
      damages.push(event.damage);
      continue;
    }
    bytes += event.bytes;
    chunks += event.chunks;
    yield progress.add(event.bytes);
  }
  const { damagedTables, restorable } = judgeBackup(found, damages);
  const what = damages.map(({ object, what: fault }) => `${object}: ${fault}`);
  const figures = { bytes: BigInt(bytes), chunks: BigInt(chunks) };
  yield finished(spec, { depth, ...figures, damages: what, damagedTables, restorable });
}

function depthOf({ depth: text, seed }: VerifySpec): CheckDepth {
  try {
    const depth = parseVerifyDepth(text);
    return depth.kind === "sample" ? { ...depth, seed } : depth;
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new DbctlError("protocol-violated", `Cannot verify as closely as "${text}"`, {
      remedy: "Bring the agent to the controller's version",
      cause,
    });
  }
}

/** Only of a full look is known what it will decode. */
function expectedBytes({ sizes }: BackupHeader, { kind }: CheckDepth): number {
  return kind === "full" ? sizes.read : 0;
}

const ofTheBackup = new Set(["repository-damaged", "object-missing", "backup-unknown"]);

/** A manifest that is missing or cannot be read. */
async function unlessUnreadable<T>(read: () => Promise<T>): Promise<T | DbctlError> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof DbctlError && ofTheBackup.has(error.code)) return error;
    throw error;
  }
}

function unreadable(
  spec: VerifySpec,
  { depth, error }: { depth: CheckDepth; error: DbctlError },
): JobUpdate {
  const damages = [`manifest: ${error.message}`];
  return finished(spec, { depth, damages, damagedTables: [], restorable: "no" });
}

interface Found {
  depth: CheckDepth;
  bytes?: bigint;
  chunks?: bigint;
  damages: string[];
  damagedTables: string[];
  restorable: string;
}

function finished({ backupId }: VerifySpec, { depth, ...found }: Found): JobUpdate {
  const value = { backupId, depth: describeDepth(depth), ...found };
  return { kind: "finished", result: { kind: { case: "verify", value } } };
}
