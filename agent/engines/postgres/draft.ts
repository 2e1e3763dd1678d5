import type { Section, UnsupportedObject } from "../engine.ts";

/** An object with its place in the graph, before it is put in order. */
export interface Draft {
  kind: string;
  name: string;
  section: Section;
  statements: string[];
  cost?: number;
  /** Catalog rows that the statements recreate: who depends on one of them depends on this. */
  rows: string[];
  /** Catalog rows that must be there first, besides what pg_depend says. */
  needs?: string[];
  /** Order among those of a section that do not depend on each other. */
  rank?: number;
  /** An attribute of another object (owner, comment, …): unknown together with that one. */
  attribute?: boolean;
  /** Creates a view of the same shape without its query, where a cycle has to be cut. */
  stub?: string[];
  /** Of a materialized view: whether it holds rows. */
  fill?: boolean;
}

export interface Requirement {
  kind: string;
  name: string;
}

/** The role of that name, which SQL quoted; `requires` has plain names. */
export function requireRole(quoted: string): Requirement {
  const name = quoted.startsWith('"') ? quoted.slice(1, -1).replaceAll('""', '"') : quoted;
  return { kind: "role", name };
}

/** What each `objects-….ts` gives: all objects of its group. */
export interface DraftList {
  drafts: Draft[];
  /** Objects and attributes that a restore would lose. */
  unsupported?: UnsupportedObject[];
  requires?: Requirement[];
}

/** Order of what runs after the data. Owners first: what runs later runs as the owner. */
export const ranks = {
  create: 0,
  position: 1,
  owner: 2,
  grant: 3,
  security: 4,
  fill: 5,
  trigger: 6,
  publication: 7,
  comment: 8,
  defaults: 9,
  eventTrigger: 10,
} as const;
