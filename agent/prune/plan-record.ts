import type { ChainEnd, EpochSighting } from "../repository/prune-record.ts";
import type { Inventory } from "./inventory.ts";
import type { PrunePlan } from "./prune-plan.ts";
import type { Sightings } from "./sightings.ts";

/** Objects of which the next prune is told: with their names, they fit its record. */
export const mostSeen = 1_000_000;

interface Parts {
  parts: readonly { record: () => EpochSighting[]; ends: ChainEnd[] }[];
  sightings: Sightings;
  /** Objects that are told at most. */
  most: number;
}

/** What the next prune has to know: also of the servers that this one was not asked for. */
export function recordOf(
  { only, last }: Inventory,
  { parts, sightings, most }: Parts,
): PrunePlan["record"] {
  const isLeft = (instance = "") => only !== undefined && !only.includes(instance);
  const { epochs = [], chains = [], seen = [] } = last ?? {};
  for (const { objects } of seen)
    for (const key of objects) if (isLeft(key.split("/")[0])) sightings.since(key);
  sightings.shrink(most);
  return {
    epochs: [
      ...epochs.filter(({ instance }) => isLeft(instance)),
      ...parts.flatMap((part) => part.record()),
    ],
    chains: [
      ...chains.filter(({ instance }) => isLeft(instance)),
      ...parts.flatMap(({ ends }) => ends),
    ],
    seen: sightings.record(),
  };
}
