import type { BackupHeader } from "../repository/manifest.ts";
import { epochKey, manifestKey } from "../repository/object-key.ts";
import { judgeBackup, type VerifiedBackup } from "../verify/verify-result.ts";
import { checkBytes } from "./check-bytes.ts";
import { checkChain } from "./check-chain.ts";
import type { ControlFacts } from "./check-control.ts";
import { checkDeep, type DeepCheck, type Looked } from "./check-deep.ts";
import { checkObjects } from "./check-objects.ts";
import type { Finding } from "./finding.ts";
import type { InstanceObjects } from "./instance-objects.ts";
import { type ReadHeader, readHeaders } from "./read-headers.ts";
import { checkRemoved, checkUnexplained } from "./check-removed.ts";
import { stillTrue } from "./still-true.ts";

/** Without an identity, what cannot be opened is checked by hashes and sizes. */
export interface InstanceCheck extends Omit<DeepCheck, "identity"> {
  identity: DeepCheck["identity"] | undefined;
  /** A copy of some backups only. */
  isPartialCopy: boolean;
}

export type InstanceEvent =
  | { kind: "progress"; looked: Looked }
  | { kind: "finding"; finding: Finding }
  | { kind: "backups"; backups: VerifiedBackup[] };

/** All that is wrong with one instance; at the end, what of its backups can be restored. */
export async function* checkInstance(
  check: InstanceCheck,
  objects: InstanceObjects,
  facts: ControlFacts,
): AsyncGenerator<InstanceEvent, void> {
  const { store, repository, signal } = check;
  const read = await readHeaders(store, objects, { repository: repository.id, signal });
  const headers = read.headers.map(({ header }) => header);
  const found = [
    ...read.findings,
    ...checkLinks(check, read.headers, facts),
    ...checkRemoved(objects.instance, read.headers, facts),
    ...checkUnexplained(objects, facts, check),
    ...checkObjects(objects, headers, facts),
  ];
  const deep: Finding[] = [];
  for await (const event of lookDeeper(check, headers, found))
    if ("kind" in event) deep.push(event);
    else yield { kind: "progress", looked: event };
  const findings: Finding[] = [];
  // What was found by reading names rows; what sizes had said of the same object is told once.
  const told = new Set(deep.map(({ object }) => object));
  const opened = openedManifests(check, headers, deep);
  const isBetter = ({ object, kind }: Finding) =>
    (told.has(object) && bySize.has(kind)) || (kind === "foreign" && opened.has(object));
  for (const finding of [...found.filter((one) => !isBetter(one)), ...deep])
    if (await stillTrue(finding, check)) findings.push(finding);
  for (const finding of findings) yield { kind: "finding", finding };
  const damages = findings.filter(({ severity }) => severity === "damage");
  yield { kind: "backups", backups: headers.map((header) => judgeBackup(header, damages)) };
}

/** Manifests whose signer was compared with the one that their epoch's file names. */
function openedManifests(
  { identity, depth }: InstanceCheck,
  headers: readonly BackupHeader[],
  deep: readonly Finding[],
): Set<string> {
  if (identity === undefined || depth.kind === "quick") return new Set();
  const closed = new Set(deep.map(({ object }) => object));
  return new Set(headers.filter((header) => !closed.has(epochKey(header))).map(manifestKey));
}

const bySize = new Set<Finding["kind"]>(["missing", "truncated", "flipped"]);

async function* lookDeeper(
  check: InstanceCheck,
  headers: readonly BackupHeader[],
  found: readonly Finding[],
): AsyncGenerator<Finding | Looked, void> {
  const { store, identity, depth, signal } = check;
  if (depth.kind === "quick") return;
  const known = new Set(found.map(({ object }) => object));
  for (const ofEpoch of Map.groupBy(headers, ({ epoch }) => epoch).values())
    if (identity !== undefined) yield* checkDeep({ ...check, identity }, ofEpoch);
    else
      for await (const event of checkBytes(store, ofEpoch, { known, signal }))
        yield "kind" in event ? event : { ...event, chunks: 0 };
}

function checkLinks(
  { isPartialCopy }: InstanceCheck,
  read: readonly ReadHeader[],
  { removed }: ControlFacts,
): Finding[] {
  const links = read.map(({ header, hash }) => ({ ...header, hash }));
  const instance = links[0]?.instance ?? "";
  const gone = [...removed.values()].filter(({ removal }) => removal.instance === instance);
  const byId = new Map(gone.map(({ removal }) => [removal.backup, removal]));
  return checkChain(links, { removed: byId, isPartialCopy });
}
