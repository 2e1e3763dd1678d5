import { createHash } from "node:crypto";
import { unmarked } from "../repository/mark-state.ts";
import type { EpochSighting } from "../repository/prune-record.ts";
import type { ObjectInfo } from "../store/object-store.ts";
import { findMissing } from "./find-missing.ts";
import type { InstanceInventory, Inventory } from "./inventory.ts";
import { judgeBackup } from "./judge-backup.ts";
import { type EpochState, judgeEpoch, settledMs } from "./judge-epoch.ts";
import type { Decision, PlannedBackup, PlannedEpoch } from "./prune-plan.ts";
import { mostSeen, recordOf } from "./plan-record.ts";
import type { PlannedObject, PrunePlan, RemoveReason } from "./prune-plan.ts";
import { Sightings } from "./sightings.ts";
import { type Chains, followChains } from "./signers.ts";

export interface PlanOptions {
  /** By the pruner's clock. */
  now: Date;
  /** Epochs of which an operator says that no host uses them any more. */
  retired: ReadonlySet<string>;
  /** What is missing is given up, or was never there: so is a copy of some backups. */
  acceptsMissing: boolean;
  /** Objects of which the next prune is told at most; a test has fewer. */
  mostSeen?: number;
}

/** Records of prunes that are kept. */
const keptRecords = 10;

/**
 * Decides on every object. Pure. Removes nothing that a manifest refers to; that there is no
 * trouble is the caller's to see.
 */
export function planPrune(inventory: Inventory, options: PlanOptions): PrunePlan {
  const { last, probes, prunes } = inventory;
  const sightings = new Sightings(last, options.now);
  const parts = inventory.instances.map((taken) =>
    planInstance(taken, { last, sightings, ...options }),
  );
  const old = prunes.slice(0, -keptRecords);
  const objects = [
    ...parts.flatMap((part) => part.objects),
    ...probes.map((info) => planProbe(info, sightings, options.now)),
    ...old.map((info) => plannedRecord(info)),
  ];
  return {
    backups: parts.flatMap((part) => part.backups),
    objects,
    epochs: parts.flatMap((part) => part.epochs),
    missing: parts.flatMap((part) => part.missing),
    forked: parts.flatMap((part) => part.forked),
    record: recordOf(inventory, { parts, sightings, most: options.mostSeen ?? mostSeen }),
  };
}

interface InstanceOptions extends PlanOptions {
  last: Inventory["last"];
  sightings: Sightings;
}

function planInstance(taken: InstanceInventory, options: InstanceOptions) {
  const { instance } = taken;
  const { sightings, now } = options;
  const chains = followChains(taken, options.last);
  const contents = contentsOf(taken);
  const watch = watchEpochs(taken, contents, options);
  const lost = findMissing(taken);
  const missing = new Set(options.acceptsMissing ? [] : lost);
  const states = judgeEpochs(taken, { chains, watch, missing, options });
  const backups = planBackups(taken, options);
  const isClosed = (epoch: string) => states.get(epoch)?.closed === true;
  const objects = [
    ...planLeftovers(taken, { sightings, now, isClosed, missing }),
    ...planOldMarks(taken, now),
    ...taken.packs.map((info): PlannedObject => {
      const decision = judgePack(info, { taken, states, sightings, now });
      return { info, kind: "pack", instance, epoch: info.epoch, decision };
    }),
  ];
  // A removed manifest must not look as if the epoch had changed.
  for (const { manifest, decision } of backups)
    if (decision.act === "remove") sightings.since(manifest.info.key);
  const record = () =>
    [...watch].map(([epoch, { firstSeen, unchangedSince }]): EpochSighting => {
      const keys = (contents.get(epoch) ?? []).filter((key) => !sightings.isSeen(key));
      return {
        instance,
        epoch,
        firstSeen: firstSeen.toISOString(),
        unchangedSince: unchangedSince.toISOString(),
        signers: [...(chains.signers.get(epoch) ?? [])].toSorted(),
        fingerprint: fingerprintOf(keys),
      };
    });
  const forked = chains.forks.map((fork) => ({ instance, ...fork }));
  const ends = [...chains.ends.values()];
  const told = lost.length === 0 ? [] : [{ instance, backups: lost }];
  const epochs = measureEpochs(taken, states);
  return { backups, objects, epochs, missing: told, forked, record, ends };
}

/** The keys by epoch whose appearance means that the epoch is in use. */
function contentsOf(taken: InstanceInventory): Map<string, string[]> {
  const contents = new Map([...taken.epochs.keys()].map((epoch) => [epoch, [] as string[]]));
  for (const { epoch, key } of taken.packs) contents.get(epoch)?.push(key);
  for (const { epoch, info } of taken.manifests.values()) contents.get(epoch)?.push(info.key);
  for (const { epoch, info } of runningOf(taken)) contents.get(epoch)?.push(info.key);
  return contents;
}

/** Intents of backups that have not ended, as far as the store tells. */
function runningOf({ intents, manifests, removed }: InstanceInventory) {
  return [...intents.values()].filter(({ id }) => !manifests.has(id) && !removed.has(id));
}

type Watch = Map<string, { firstSeen: Date; unchangedSince: Date }>;

/** Compares each epoch with what the prune before has seen of it. */
function watchEpochs(
  { instance, epochs }: InstanceInventory,
  contents: ReadonlyMap<string, string[]>,
  { last, sightings, now }: InstanceOptions,
): Watch {
  const before = new Map(
    last?.epochs.filter((one) => one.instance === instance).map((one) => [one.epoch, one]),
  );
  const past = (time: string) => new Date(Math.min(Date.parse(time), +now));
  const watch: Watch = new Map();
  for (const epoch of epochs.keys()) {
    const known = before.get(epoch);
    const keys = (contents.get(epoch) ?? []).filter((key) => !sightings.wasSeen(key));
    const same = known?.fingerprint === fingerprintOf(keys);
    watch.set(epoch, {
      firstSeen: known === undefined ? now : past(known.firstSeen),
      unchangedSince: known === undefined || !same ? now : past(known.unchangedSince),
    });
  }
  return watch;
}

function fingerprintOf(keys: string[]): string {
  return createHash("sha256").update(keys.toSorted().join("\n")).digest("hex");
}

interface JudgeOptions {
  chains: Chains;
  watch: Watch;
  /** Ids of backups. */
  missing: ReadonlySet<string>;
  options: InstanceOptions;
}

function judgeEpochs(
  taken: InstanceInventory,
  { chains, watch, missing, options }: JudgeOptions,
): Map<string, EpochState> {
  const { sightings, now, retired } = options;
  const running = Map.groupBy(runningOf(taken), ({ epoch }) => epoch);
  const states = [...watch].map(([epoch, times]): [string, EpochState] => {
    const signers = [...(chains.signers.get(epoch) ?? [])].map((signer) => ({
      isCurrent: chains.ends.get(signer)?.epoch === epoch,
      isForked: chains.ends.get(signer)?.forked === true,
    }));
    const facts = {
      ...times,
      created: taken.epochs.get(epoch),
      running: (running.get(epoch) ?? []).map(({ info }) => sightings.since(info.key)),
      signers,
      isRetired: retired.has(epoch),
      isIncomplete: missing.size > 0,
    };
    return [epoch, judgeEpoch(facts, now)];
  });
  return new Map(states);
}

function planBackups(
  { manifests, marks, maps }: InstanceInventory,
  { now }: InstanceOptions,
): PlannedBackup[] {
  const byId = Map.groupBy(maps, ({ id }) => id);
  const byTime = [...manifests.values()].toSorted((a, b) => (a.id < b.id ? -1 : 1));
  return byTime.map((manifest) => ({
    manifest,
    maps: byId.get(manifest.id) ?? [],
    decision: judgeBackup(marks.get(manifest.id) ?? unmarked, {
      created: manifest.info.created,
      now,
    }),
  }));
}

interface LeftoverOptions {
  sightings: Sightings;
  now: Date;
  isClosed: (epoch: string) => boolean;
  missing: ReadonlySet<string>;
}

/** Maps without a manifest, and all intents. */
function planLeftovers(
  { instance, manifests, removed, intents, maps }: InstanceInventory,
  { sightings, now, isClosed, missing }: LeftoverOptions,
): PlannedObject[] {
  const judge = (id: string, { key }: ObjectInfo): Decision => {
    if (manifests.has(id) || removed.has(id)) return { act: "remove", why: "of-an-ended-backup" };
    if (missing.has(id)) return { act: "wait", why: "incomplete", until: undefined };
    const intent = intents.get(id);
    if (intent !== undefined && !isClosed(intent.epoch))
      return { act: "wait", why: "may-be-running", until: undefined };
    return whenSettled("left-over", { since: sightings.since(key), now });
  };
  const plan = (kind: "map" | "intent", id: string, info: ObjectInfo): PlannedObject => {
    const epoch = intents.get(id)?.epoch;
    const where = { instance, backup: id, ...(epoch === undefined ? {} : { epoch }) };
    return { info, kind, ...where, decision: judge(id, info) };
  };
  return [
    ...maps.filter(({ id }) => !manifests.has(id)).map((info) => plan("map", info.id, info)),
    ...[...intents.values()].map(({ id, info }) => plan("intent", id, info)),
  ];
}

/** By then, nobody who has read the backup's header can still want to mark it. */
const marksKeptMs = 30 * settledMs;

/** The marks of backups that were removed long ago; the record of the removal stays. */
function planOldMarks(
  { instance, removed, otherMarks }: InstanceInventory,
  now: Date,
): PlannedObject[] {
  return otherMarks.flatMap((info) => {
    const created = removed.get(info.id)?.created;
    const isOld = created !== undefined && +now - +created >= marksKeptMs;
    return isOld ? [{ ...plannedRecord(info), instance }] : [];
  });
}

const needed: Decision = { act: "keep", why: "needed" };

interface PackOptions {
  taken: InstanceInventory;
  states: ReadonlyMap<string, EpochState>;
  sightings: Sightings;
  now: Date;
}

function judgePack(
  { key, epoch }: InstanceInventory["packs"][number],
  { taken, states, sightings, now }: PackOptions,
): Decision {
  if (taken.live.has(key)) return needed;
  const state = states.get(epoch);
  if (state?.closed !== true) return { act: "wait", why: "epoch-open", until: state?.until };
  return whenSettled("unreferenced", { since: sightings.since(key), now });
}

function whenSettled(why: RemoveReason, { since, now }: { since: Date; now: Date }): Decision {
  const until = new Date(+since + settledMs);
  return until > now ? { act: "wait", why: "just-seen", until } : { act: "remove", why };
}

function planProbe(info: ObjectInfo, sightings: Sightings, now: Date): PlannedObject {
  const since = sightings.since(info.key);
  const begin = new Date(Math.max(+since, +(info.created ?? since)));
  const decision = whenSettled("left-over", { since: begin, now });
  return { info, kind: "probe", decision };
}

function plannedRecord(info: ObjectInfo): PlannedObject {
  const decision: Decision = { act: "remove", why: "old-record" };
  return { info, kind: "record", decision };
}

function measureEpochs(
  { instance, packs, live }: InstanceInventory,
  states: ReadonlyMap<string, EpochState>,
): PlannedEpoch[] {
  const byEpoch = Map.groupBy(packs, ({ epoch }) => epoch);
  return [...states].map(([epoch, state]) => {
    const own = byEpoch.get(epoch) ?? [];
    const bytes = (of: typeof own) => of.reduce((sum, { size }) => sum + size, 0);
    const used = own.filter(({ key }) => live.has(key));
    const dead = used.map(({ key, size }) => Math.max(0, size - (live.get(key) ?? 0)));
    return {
      instance,
      epoch,
      state,
      packs: own.length,
      stored: bytes(own),
      unreferenced: bytes(own.filter(({ key }) => !live.has(key))),
      partlyDead: dead.reduce((sum, one) => sum + one, 0),
    };
  });
}
