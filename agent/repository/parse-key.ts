import type { BackupId, InstanceId } from "./identifier.ts";

/** What an object is, by its key alone. */
export type ParsedKey =
  | { kind: "repository" }
  | { kind: "probe" }
  | { kind: "epoch"; instance: InstanceId; epoch: string }
  | { kind: "intent"; instance: InstanceId; id: BackupId }
  | { kind: "pack"; instance: InstanceId; epoch: string; pack: string }
  | { kind: "map"; instance: InstanceId; id: BackupId }
  | { kind: "manifest"; instance: InstanceId; id: BackupId }
  | { kind: "mark"; instance: InstanceId; id: BackupId; number: number }
  | { kind: "removal"; instance: InstanceId; id: BackupId }
  | { kind: "prune"; number: number }
  /** Lists of recipients, later sealings and ends of epochs: never removed by a prune. */
  | { kind: "keys" };

/** Undefined for what this version does not know: somebody else's, or a later version's. */
export function parseKey(key: string): ParsedKey | undefined {
  for (const [pattern, make] of patterns) {
    const found = pattern.exec(key);
    if (found !== null) return make(found.groups ?? {});
  }
  return undefined;
}

type Groups = Record<string, string>;

const instance = String.raw`(?<instance>\w[\w.=~+-]{0,119})`;
const timed = String.raw`\d{8}T\d{6}Z-[0-9a-hjkmnp-tv-z]{8}`;
const epoch = `(?<epoch>${timed})`;
const id = `(?<id>${timed})`;
const number = String.raw`(?<number>\d{8})`;

const backupOf = (groups: Groups) => ({
  instance: groups["instance"] as InstanceId,
  id: groups["id"] as BackupId,
});
const epochOf = (groups: Groups) => ({
  instance: groups["instance"] as InstanceId,
  epoch: groups["epoch"] ?? "",
});

const patterns: [RegExp, (groups: Groups) => ParsedKey][] = [
  [
    new RegExp(`^${instance}/packs/${epoch}/(?<pack>[0-9a-f]{32})$`),
    (groups) => ({ kind: "pack", ...epochOf(groups), pack: groups["pack"] ?? "" }),
  ],
  [
    new RegExp(`^${instance}/backups/${id}/map-(?:0|[1-9]\\d{0,8})$`),
    (groups) => ({ kind: "map", ...backupOf(groups) }),
  ],
  [
    new RegExp(`^${instance}/backups/${id}/manifest$`),
    (groups) => ({ kind: "manifest", ...backupOf(groups) }),
  ],
  [
    new RegExp(`^${instance}/intents/${id}$`),
    (groups) => ({ kind: "intent", ...backupOf(groups) }),
  ],
  [
    new RegExp(`^${instance}/epochs/${epoch}\\.age$`),
    (groups) => ({ kind: "epoch", ...epochOf(groups) }),
  ],
  [
    new RegExp(`^~control/marks/${instance}/${id}/${number}$`),
    (groups) => ({ kind: "mark", ...backupOf(groups), number: Number(groups["number"]) }),
  ],
  [
    new RegExp(`^~control/removed/${instance}/${id}$`),
    (groups) => ({ kind: "removal", ...backupOf(groups) }),
  ],
  [
    new RegExp(`^~control/prunes/${number}$`),
    (groups) => ({ kind: "prune", number: Number(groups["number"]) }),
  ],
  [new RegExp(`^~control/recipients/${number}$`), () => ({ kind: "keys" })],
  [new RegExp(`^~control/epochs/${instance}/${epoch}/${number}\\.age$`), () => ({ kind: "keys" })],
  [new RegExp(`^~control/ended/${instance}/${epoch}$`), () => ({ kind: "keys" })],
  [/^repository\.json$/, () => ({ kind: "repository" })],
  [/^probe-[0-9a-f]{32}$/, () => ({ kind: "probe" })],
];
