import type { ObjectList, SchemaObject, UnsupportedObject } from "../engine.ts";
import type { Requirement } from "./requirements.ts";

/** What one kind of objects adds to the list. */
export interface Drafts {
  objects: SchemaObject[];
  unsupported: UnsupportedObject[];
  requires: Requirement[];
}

export function noDrafts(): Drafts {
  return { objects: [], unsupported: [], requires: [] };
}

/** All drafts as one list; what several objects need is named once. */
export function joinDrafts(drafts: Drafts[]): ObjectList {
  const requires = new Map<string, Requirement>();
  for (const requirement of drafts.flatMap((one) => one.requires))
    requires.set(`${requirement.kind} ${requirement.name}`, requirement);
  return {
    objects: drafts.flatMap((one) => one.objects),
    unsupported: drafts.flatMap((one) => one.unsupported),
    requires: [...requires.values()],
  };
}
