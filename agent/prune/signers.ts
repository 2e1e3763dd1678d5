import type { ChainEnd, PruneRecord } from "../repository/prune-record.ts";
import type { InstanceInventory } from "./inventory.ts";

/** What the chains of an instance's hosts tell about its epochs. */
export interface Chains {
  /** By signer. The epoch of its highest number is the only one that it may still use. */
  ends: Map<string, ChainEnd>;
  /** The signers of the backups of each epoch. */
  signers: Map<string, Set<string>>;
  /** Numbers that were used twice, as far as both backups are known. */
  forks: { signer: string; sequence: number; backups: string[] }[];
}

/**
 * Reads the chains from manifests, from the records of those that were removed since, and from what
 * the last prune knew.
 */
export function followChains(
  taken: InstanceInventory,
  last: Pick<PruneRecord, "chains" | "epochs"> | undefined,
): Chains {
  const { instance } = taken;
  const chains = chainsBefore(instance, last);
  const { ends, signers, forks } = chains;
  const numbers = new Map<string, string>();
  for (const [id, { epoch, signer, sequence }] of linksOf(taken)) {
    const name = `${signer} ${sequence}`;
    const other = numbers.get(name);
    if (other !== undefined) forks.push({ signer, sequence, backups: [other, id].toSorted() });
    numbers.set(name, id);
    signers.set(epoch, (signers.get(epoch) ?? new Set()).add(signer));
    const end = ends.get(signer) ?? { instance, signer, epoch, sequence, forked: false };
    const newest = sequence > end.sequence ? { ...end, epoch, sequence } : end;
    ends.set(signer, { ...newest, forked: end.forked || other !== undefined });
  }
  return chains;
}

function chainsBefore(
  instance: string,
  last: Pick<PruneRecord, "chains" | "epochs"> = { chains: [], epochs: [] },
): Chains {
  const [ends, epochs] = [last.chains, last.epochs].map((all) =>
    all.filter((one) => one.instance === instance),
  ) as [ChainEnd[], PruneRecord["epochs"]];
  return {
    ends: new Map(ends.map((end) => [end.signer, end])),
    signers: new Map(epochs.map(({ epoch, signers }) => [epoch, new Set(signers)])),
    forks: [],
  };
}

/** Every number that is known, by the backup's id. */
function linksOf({ manifests, removals }: InstanceInventory) {
  return new Map<string, { epoch: string; signer: string; sequence: number }>([
    ...removals,
    ...manifests,
  ]);
}
