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

/** The backup whose manifest it is, or undefined when the key is no manifest's. */
export function parseManifestKey(key: string): { instance: InstanceId; id: BackupId } | undefined {
  const [instance = "", backups, id = "", manifest, ...more] = key.split("/");
  const right = backups === "backups" && manifest === "manifest" && more.length === 0;
  if (!right || !instancePattern.test(instance) || !timedIdPattern.test(id)) return undefined;
  return { instance: instance as InstanceId, id: id as BackupId };
}
