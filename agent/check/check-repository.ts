import type { CheckDepth } from "../repository/check-depth.ts";
import { describeDepth } from "../repository/check-depth.ts";
import type { VerifiedBackup } from "../verify/verify-result.ts";
import { readControl } from "./check-control.ts";
import { checkOverwritten } from "./check-overwritten.ts";
import { checkInstance, type InstanceCheck } from "./check-instance.ts";
import { checkUnexplained } from "./check-removed.ts";
import type { Looked } from "./check-deep.ts";
import type { Finding } from "./finding.ts";
import { listInstances } from "./instance-objects.ts";

export type RepositoryCheckEvent =
  | { kind: "instance-begun"; instance: string; backups: number }
  | { kind: "progress"; looked: Looked }
  | { kind: "finding"; finding: Finding }
  | { kind: "finished"; result: RepositoryCheckResult };

export interface RepositoryCheckResult {
  /** When it began, ISO 8601. */
  at: string;
  depth: string;
  /** Whether chunks, maps and bodies could be opened. */
  opened: boolean;
  checkedBytes: number;
  checkedChunks: number;
  findings: Finding[];
  backups: VerifiedBackup[];
}

/**
 * Looks at the whole repository, one instance after the other, and names everything that is not as
 * it should be, with the backups and tables that it hits. Runs beside backups and prunes.
 */
export async function* checkRepository(
  check: InstanceCheck & { depth: CheckDepth },
  { at }: { at: Date },
): AsyncGenerator<RepositoryCheckEvent, void> {
  const { store, repository, depth, identity, signal } = check;
  const facts = await readControl(store, { repository: repository.id, signal });
  const findings: Finding[] = [...facts.findings];
  const backups: VerifiedBackup[] = [];
  const sums = { checkedBytes: 0, checkedChunks: 0 };
  const seen = new Set<string>();
  const strangers: Finding[] = [];
  for await (const objects of listInstances(store, {
    found: (one) => strangers.push(one),
    signal,
  })) {
    const { instance, manifests } = objects;
    seen.add(instance);
    yield { kind: "instance-begun", instance, backups: manifests.size };
    for await (const event of checkInstance(check, objects, facts)) {
      if (event.kind === "backups") backups.push(...event.backups);
      else {
        if (event.kind === "finding") findings.push(event.finding);
        else {
          sums.checkedBytes += event.looked.bytes;
          sums.checkedChunks += event.looked.chunks;
        }
        yield event;
      }
    }
  }
  for (const instance of new Set([...facts.marks.keys()].map((name) => name.split("/")[0] ?? "")))
    if (!seen.has(instance))
      findings.push(...checkUnexplained({ instance, manifests: new Map() }, facts, check));
  findings.push(...strangers, ...(await checkOverwritten(store, { signal })));
  const opened = identity !== undefined && depth.kind !== "quick";
  const head = { at: at.toISOString(), depth: describeDepth(depth), opened };
  yield { kind: "finished", result: { ...head, ...sums, findings, backups } };
}
