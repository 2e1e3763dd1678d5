import type { InstanceInventory } from "./inventory.ts";

/** One number of a signer's chain: a backup that is there, or that a prune removed. */
interface Link {
  id: string;
  epoch: string;
  signer: string;
  sequence: number;
}

/** What the chains of an instance's hosts tell about its epochs. */
export interface Chains {
  /** The epoch of each signer's highest number: the only one that it may still use. */
  current: ReadonlyMap<string, string>;
  /** The signers of the backups of each epoch. */
  signers: ReadonlyMap<string, ReadonlySet<string>>;
  /** Signers that used a number twice. */
  forked: ReadonlyMap<string, { sequence: number; backups: string[] }>;
}

/** Reads the chains from manifests, and from the records of those that were removed. */
export function followChains({ manifests, removals }: InstanceInventory): Chains {
  const links = new Map<string, Link>();
  for (const { backup: id, epoch, signer, sequence } of removals.values())
    links.set(id, { id, epoch, signer, sequence });
  for (const { id, epoch, signer, sequence } of manifests.values())
    links.set(id, { id, epoch, signer, sequence });
  const newest = new Map<string, Link>();
  const signers = new Map<string, Set<string>>();
  const forked = new Map<string, { sequence: number; backups: string[] }>();
  const numbers = new Map<string, string>();
  for (const link of links.values()) {
    const { id, epoch, signer, sequence } = link;
    if (sequence > (newest.get(signer)?.sequence ?? -1)) newest.set(signer, link);
    signers.set(epoch, (signers.get(epoch) ?? new Set()).add(signer));
    const name = `${signer} ${sequence}`;
    const other = numbers.get(name);
    if (other !== undefined) forked.set(signer, { sequence, backups: [other, id].toSorted() });
    numbers.set(name, id);
  }
  const current = new Map([...newest].map(([signer, { epoch }]) => [signer, epoch]));
  return { current, signers, forked };
}
