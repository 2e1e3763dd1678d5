import { DbctlError } from "../../core/errors.ts";
import type { BackupBody } from "../backup/backup-body.ts";
import type { Engine, PreparedTarget, RestorePlan } from "../engines/engine.ts";
import type { OpenBackup } from "../repository/open-backup.ts";
import { checkTarget } from "./check-target.ts";

/**
 * Whether to go on with a restore of the same backup that was cut short: it must be there, or it is
 * gone on with when it is there, or the restore is a new one.
 */
export type Resuming = "must" | "may" | "never";

export interface OpenTargetOptions {
  create: boolean;
  resume: Resuming;
  signal: AbortSignal;
}

export interface OpenTarget extends AsyncDisposable {
  target: PreparedTarget;
  /** Whether an earlier attempt has begun. */
  resumed: boolean;
}

/** Makes the target ready for a new restore, or takes over an unfinished one. */
export async function openTarget(
  engine: Engine,
  { backup, body }: { backup: OpenBackup; body: BackupBody },
  { create, resume, signal }: OpenTargetOptions,
): Promise<OpenTarget> {
  const plan = planRestore(backup, body);
  await using stack = new AsyncDisposableStack();
  const unfinished =
    resume === "never" ? undefined : await takeOver(engine, plan, { resume, signal });
  const target = stack.use(unfinished ?? (await engine.prepareTarget(plan, { create, signal })));
  const resumed = unfinished !== undefined;
  if (resumed) await checkTarget(engine, { body, done: target.done, signal });
  const owned = stack.move();
  return { target, resumed, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** What a restore needs to know, and of which backup it is. */
export function planRestore(
  { header }: OpenBackup,
  { facts, list, tables }: BackupBody,
): RestorePlan {
  const { repository, id, body } = header;
  const origin = { repository, backup: id, content: body.sha256 };
  return { facts, list, tables: tables.map(({ data }) => data), origin };
}

async function takeOver(
  engine: Engine,
  plan: RestorePlan,
  { resume, signal }: Pick<OpenTargetOptions, "resume" | "signal">,
): Promise<PreparedTarget | undefined> {
  try {
    return await engine.prepareTarget(plan, { create: false, resume: true, signal });
  } catch (error) {
    const isNone = error instanceof DbctlError && nothingThere.has(error.code);
    if (resume === "may" && isNone) return undefined;
    throw error;
  }
}

const nothingThere = new Set(["restore-unknown", "database-unknown"]);
