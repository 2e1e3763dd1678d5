import { manifestKey } from "../repository/object-key.ts";
import { damageAt, type Finding, noteAt } from "./finding.ts";

/** A manifest as the chain of its signer sees it. */
export interface ChainLink {
  instance: string;
  id: string;
  signer: string;
  sequence: number;
  previous: { id: string; hash: string } | null;
  /** By which the next one refers to it. */
  hash: string;
}

export interface ChainOptions {
  /** What prunes say of the backups that they removed, by id. */
  removed: ReadonlyMap<string, Pick<ChainLink, "signer" | "sequence" | "hash">>;
  /** A copy of some backups only: those before them are not expected. */
  isPartialCopy: boolean;
}

/**
 * Holds the manifests of one instance against the numbers and hashes by which each names the one
 * before it. Decides only. A backup that was removed by nobody's prune is missed if a later one of
 * its host is there.
 */
export function checkChain(links: readonly ChainLink[], options: ChainOptions): Finding[] {
  const byId = new Map(links.map((link) => [link.id, link]));
  return [
    ...links.flatMap((link) => checkPrevious(link, byId, options)),
    ...findRepeatedNumbers(links, options),
    ...findForks(links),
  ];
}

function checkPrevious(
  link: ChainLink,
  byId: ReadonlyMap<string, ChainLink>,
  { removed, isPartialCopy }: ChainOptions,
): Finding[] {
  const { instance, id, previous, signer, sequence } = link;
  if (previous === null) return [];
  const object = manifestKey({ instance, id: previous.id });
  const before = byId.get(previous.id) ?? removed.get(previous.id);
  if (before === undefined) {
    const what = `backup ${id} followed it, and no prune has removed it`;
    return [(isPartialCopy ? noteAt : damageAt)(object, ["missing", what])];
  }
  if (before.hash !== previous.hash)
    return [damageAt(object, ["replayed", `it is not the one that backup ${id} followed`])];
  if (before.signer === signer && before.sequence < sequence) return [];
  const what = `it says that it followed ${previous.id}, whose number is not lower`;
  return [damageAt(manifestKey(link), ["broken-chain", what])];
}

/** A host gives every number once: two with the same number are of two hosts with one state. */
function findRepeatedNumbers(links: readonly ChainLink[], { removed }: ChainOptions): Finding[] {
  const gone = [...removed].map(([id, link]) => ({ ...link, id }));
  const there = new Set(links.map(({ id }) => id));
  const all = [...links, ...gone.filter(({ id }) => !there.has(id))];
  const groups = Map.groupBy(all, ({ signer, sequence }) => `${sequence} ${signer}`);
  return [...groups.values()].flatMap((group) => {
    if (group.length < 2) return [];
    const ids = group.map(({ id }) => id).toSorted();
    const what = `backups ${ids.join(" and ")} have one number: a host was cloned or set back`;
    return links
      .filter(({ id }) => ids.includes(id))
      .map((link) => damageAt(manifestKey(link), ["forked", what]));
  });
}

/**
 * Two manifests that follow one: when a host was killed before it knew that the first of them was
 * there, nothing follows that first one. Anything else is a fork.
 */
function findForks(links: readonly ChainLink[]): Finding[] {
  const followed = new Set(links.map(({ previous }) => previous?.id));
  const siblings = Map.groupBy(links, ({ signer, previous }) => `${previous?.id} ${signer}`);
  return [...siblings.values()].flatMap((group) => {
    const last = Math.max(...group.map(({ sequence }) => sequence));
    return group
      .filter(({ id, sequence }) => sequence < last && followed.has(id))
      .map((link) => {
        const others = group.filter(({ id }) => id !== link.id).map(({ id }) => id);
        const what = `it and ${others.join(", ")} follow the same backup: a host was cloned or set back`;
        return damageAt(manifestKey(link), ["forked", what]);
      });
  });
}
