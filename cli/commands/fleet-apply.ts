import { pruneRepository } from "../../agent/prune/prune-repository.ts";
import { DbctlError, exitCodes } from "../../core/errors.ts";
import { createClient } from "../../core/grpc/client.ts";
import { RetentionService } from "../../proto/gen/dbctl/v1/retention_pb.ts";
import { openController } from "../controller-client.ts";
import { applyDecisions, type HeldBack, reportStates } from "../direct/apply-decisions.ts";
import { askDecisions, type RetentionClient } from "../direct/ask-retention.ts";
import { type OpenedRepository, openRepositoryUrl } from "../direct/open-repository-url.ts";
import { operatorName } from "../direct/operator.ts";
import { formatBytes } from "../output/format.ts";
import { printResult } from "../output/print-result.ts";
import { reportError } from "../output/report-error.ts";
import { pruneDocument, type PruneResult, sizeOf } from "./describe-prune.ts";
import { followPrune } from "./repo-prune.ts";

export interface FleetApplyFlags {
  /** Only this one. */
  repo?: string;
  /** Seconds. */
  undeleteWindow: number;
  overLimit: boolean;
  confirm: boolean;
  json: boolean;
  signal: AbortSignal;
}

/** What was done in one repository. */
interface Outcome {
  url: string;
  /** Ids of what goes, or would. */
  going: string[];
  deleted: string[];
  heldBack: HeldBack[];
  prune?: PruneResult | undefined;
  /** Backups that the catalog knew otherwise. */
  changed: number;
  error?: DbctlError;
}

/**
 * Deletes what the fleet's policies do not keep, in one repository after the other. One that fails
 * hides no other.
 */
export async function applyFleetRetention(flags: FleetApplyFlags): Promise<void> {
  const { repo = "", confirm, json, signal } = flags;
  using channel = await openController();
  const client = createClient(RetentionService, channel);
  const { repositoryUrls } = await askDecisions(client, "", { signal });
  const outcomes: Outcome[] = [];
  for (const url of repo === "" ? repositoryUrls : [repo])
    outcomes.push(await applyIn(url, { client, flags }));
  const document = { confirmed: confirm, repositories: outcomes.map(outcomeDocument) };
  const none = outcomes.length === 0 ? ["The fleet has no repositories yet."] : [];
  const hint = confirm ? [] : ["Nothing was changed: add --confirm."];
  const lines = [...none, ...outcomes.flatMap((one) => outcomeLines(one, flags)), ...hint];
  await printResult(document, { json, lines });
  const errors = outcomes.flatMap(({ error }) => (error === undefined ? [] : [error]));
  const [first] = errors;
  if (first !== undefined)
    process.exitCode = await reportError(new AggregateError(errors), { json: false });
  else if (outcomes.some(({ heldBack }) => heldBack.length > 0))
    process.exitCode = exitCodes.failed;
}

interface Parts {
  client: RetentionClient;
  flags: FleetApplyFlags;
}

async function applyIn(url: string, { client, flags }: Parts): Promise<Outcome> {
  const { undeleteWindow: window, overLimit, confirm, signal } = flags;
  const outcome: Outcome = { url, going: [], deleted: [], heldBack: [], changed: 0 };
  try {
    const decided = await askDecisions(client, url, { signal });
    const opened = await openRepositoryUrl(url, { signal });
    const how = { decided, window, overLimit, confirm, now: new Date(), signal };
    const { applied, heldBack } = await applyDecisions(opened, how);
    outcome.deleted = applied.deleted;
    outcome.heldBack = heldBack;
    const spared = new Set(applied.breaches.map(({ database }) => database));
    outcome.going = applied.decisions
      .filter(({ kept, backup }) => !kept && !spared.has(backup.database))
      .map(({ backup }) => backup.id);
    // What was marked has to be told, whatever becomes of the prune.
    outcome.prune = await keepError(outcome, () => prune(opened, flags));
    if (confirm) outcome.changed = await reportStates(opened, { url, decided, client, signal });
    return outcome;
  } catch (error) {
    if (signal.aborted) throw error;
    return { ...outcome, error: outcome.error ?? DbctlError.from(error) };
  }
}

async function keepError<T>(outcome: Outcome, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    outcome.error = DbctlError.from(error);
    return undefined;
  }
}

async function prune(
  { store, repository }: OpenedRepository,
  { confirm, signal }: FleetApplyFlags,
): Promise<PruneResult> {
  const by = operatorName();
  const options = { store, repository: repository.id, by, now: () => new Date(), confirm, signal };
  return await followPrune(pruneRepository(options), confirm);
}

function outcomeDocument({ url, going, deleted, heldBack, prune: pruned, ...rest }: Outcome) {
  const { changed, error } = rest;
  const said =
    error === undefined
      ? {}
      : { error: { code: error.code, message: error.message, remedy: error.remedy } };
  return {
    repository: url,
    going,
    deleted,
    waiting: heldBack,
    prune: pruned === undefined ? null : pruneDocument(pruned),
    changed,
    ...said,
  };
}

function outcomeLines(outcome: Outcome, { confirm }: FleetApplyFlags): string[] {
  const { url, going, deleted, heldBack, prune: pruned, error } = outcome;
  const planned = pruned === undefined ? nothing : sizeOf(pruned.plan);
  const { backups, objects, bytes } = confirm && pruned !== undefined ? pruned.removed : planned;
  const ids = confirm ? deleted : going;
  const would = confirm ? "" : "would be ";
  return [
    `${url}: ${ids.length} backups ${would}deleted; of those that were, ${backups} ${would}removed, ` +
      `${objects} objects, ${formatBytes(bytes)}.`,
    ...ids.map((id) => `  ${id}`),
    ...heldBack.map(
      ({ database, going: count, limit }) =>
        `  Of ${database} ${count} would go in one day, where ${limit} may: add --over-limit.`,
    ),
    ...(error === undefined ? [] : [`  failed: ${error.message}`]),
  ];
}

const nothing = { backups: 0, objects: 0, bytes: 0 };
