import { type BackupId, type InstanceId, instancePattern, timedIdPattern } from "./identifier.ts";

/** The whole naming scheme of a repository. Keys are relative to its root. */
export const repositoryKey = "repository.json";

/** Whose data key it is. */
interface Epoch {
  instance: string;
  epoch: string;
}

/** A backup of an instance. */
interface Backup {
  instance: string;
  id: string;
}

export function epochKey({ instance, epoch }: Epoch): string {
  return `${instance}/epochs/${epoch}.age`;
}

export function intentKey({ instance, id }: Backup): string {
  return `${instance}/intents/${id}`;
}

export function packPrefix({ instance, epoch }: Epoch): string {
  return `${instance}/packs/${epoch}/`;
}

export function packKey(epoch: Epoch, pack: string): string {
  return packPrefix(epoch) + pack;
}

export function mapKey({ instance, id }: Backup, map: number): string {
  return `${instance}/backups/${id}/map-${map}`;
}

export function manifestKey({ instance, id }: Backup): string {
  return `${instance}/backups/${id}/manifest`;
}

/**
 * What operators and pruners write, and hosts may not: a host's right ends at its instance's folder,
 * and no instance can have this name.
 */
export const controlFolder = "~control";

/** Lists of recipients after the one in repository.json; the highest number counts. */
export const recipientsPrefix = `${controlFolder}/recipients/`;

export function recipientsKey(number: number): string {
  return recipientsPrefix + ordinal(number);
}

/** Later sealings of an epoch's file; the highest number counts. */
export function resealedPrefix({ instance, epoch }: Epoch): string {
  return `${controlFolder}/epochs/${instance}/${epoch}/`;
}

export function resealedKey(epoch: Epoch, number: number): string {
  return `${resealedPrefix(epoch)}${ordinal(number)}.age`;
}

/** Its host shall begin a new epoch. */
export function endedKey({ instance, epoch }: Epoch): string {
  return `${controlFolder}/ended/${instance}/${epoch}`;
}

/** The epoch whose file it is: as its host put it, or undefined when the key is no epoch file's. */
export function parseEpochKey(key: string): { instance: InstanceId; epoch: string } | undefined {
  const [instance = "", epochs, file = "", ...more] = key.split("/");
  const epoch = file.slice(0, -".age".length);
  const right = epochs === "epochs" && file.endsWith(".age") && more.length === 0;
  if (!right || !instancePattern.test(instance) || !timedIdPattern.test(epoch)) return undefined;
  return { instance: instance as InstanceId, epoch };
}

/** What people said of a backup, in order: delete, undelete, hold, release. */
export function marksPrefix({ instance, id }: Backup): string {
  return `${controlFolder}/marks/${instance}/${id}/`;
}

export function markKey(backup: Backup, number: number): string {
  return marksPrefix(backup) + ordinal(number);
}

/** Says that the backup was removed by a prune: why its manifest is missing from the chain. */
export function removedKey({ instance, id }: Backup): string {
  return `${controlFolder}/removed/${instance}/${id}`;
}

/** What a prune saw, for the next one. */
export const prunesPrefix = `${controlFolder}/prunes/`;

export function pruneKey(number: number): string {
  return prunesPrefix + ordinal(number);
}

/** Eight digits, so that the order of keys is the order of numbers. */
function ordinal(number: number): string {
  return String(number).padStart(8, "0");
}

/** The backup whose manifest it is, or undefined when the key is no manifest's. */
export function parseManifestKey(key: string): { instance: InstanceId; id: BackupId } | undefined {
  const [instance = "", backups, id = "", manifest, ...more] = key.split("/");
  const right = backups === "backups" && manifest === "manifest" && more.length === 0;
  if (!right || !instancePattern.test(instance) || !timedIdPattern.test(id)) return undefined;
  return { instance: instance as InstanceId, id: id as BackupId };
}
