import { describeDepth } from "../repository/check-depth.ts";
import type { BackupHeader } from "../repository/manifest.ts";
import type { NamedDamage, VerifyEvent, VerifyRequest } from "./verify-backups.ts";

/** What a verification has found, as it is kept and shown. */
export interface VerifyResult {
  /** When it began, ISO 8601. */
  at: string;
  depth: string;
  /** Of the chunks that were decoded. */
  checkedBytes: number;
  checkedChunks: number;
  damages: NamedDamage[];
  backups: VerifiedBackup[];
}

export interface VerifiedBackup {
  id: string;
  instance: string;
  /** `host/database`. */
  database: string;
  state: BackupHeader["state"];
  /** Nothing that it needs is damaged. */
  ok: boolean;
  /** Tables that cannot be restored whole. */
  damagedTables: string[];
  /** Whether all other tables can be restored. */
  restorable: "whole" | "other tables" | "no";
}

/** Runs a verification to its end. `onProgress` is told of all that was decoded. */
export async function collectVerifyResult(
  { headers, depth }: Pick<VerifyRequest, "headers" | "depth">,
  events: AsyncIterable<VerifyEvent> | Iterable<VerifyEvent>,
  { at, onProgress = () => {} }: { at: Date; onProgress?: (bytes: number) => void },
): Promise<VerifyResult> {
  const damages: NamedDamage[] = [];
  let [checkedBytes, checkedChunks] = [0, 0];
  for await (const event of events) {
    if (event.kind === "damage") damages.push(event.damage);
    else {
      checkedBytes += event.bytes;
      checkedChunks += event.chunks;
      onProgress(event.bytes);
    }
  }
  const backups = headers.map((header) => judgeBackup(header, damages));
  const figures = { checkedBytes, checkedChunks };
  return { at: at.toISOString(), depth: describeDepth(depth), ...figures, damages, backups };
}

/** What the damages leave of a backup. */
export function judgeBackup(
  { id, instance, state, source }: BackupHeader,
  damages: readonly Pick<NamedDamage, "losesRows" | "backups">[],
): VerifiedBackup {
  const hits = damages.flatMap(({ losesRows, backups }) =>
    backups.filter((hit) => hit.id === id).map(({ tables }) => ({ losesRows, tables })),
  );
  const losses = hits.filter(({ losesRows }) => losesRows);
  const damagedTables = [...new Set(losses.flatMap(({ tables }) => tables))].toSorted();
  const isWhole = losses.length === 0;
  const isPart = losses.every(({ tables }) => tables.length > 0);
  return {
    id,
    instance,
    database: `${source.host}/${source.database}`,
    state,
    ok: hits.length === 0,
    damagedTables,
    restorable: isWhole ? "whole" : isPart ? "other tables" : "no",
  };
}
