import { DbctlError } from "../../core/errors.ts";
import { readDatabases } from "../catalog/read-databases.ts";
import type { FleetDatabase } from "../catalog/read-databases.ts";
import { unknownDatabase } from "../catalog/unknown-database.ts";
import type { Db } from "../database/database.ts";
import type { AppliedPolicy } from "../policies/read-policies.ts";
import { parseSelector, selects } from "../policies/selector.ts";
import type { Selector } from "../policies/selector.ts";

export type Selection =
  | { case: "all" }
  /** host/database, or host for all of its databases. */
  | { case: "names"; names: readonly string[] }
  | { case: "selector"; selector: string };

export type ManagedDatabase = FleetDatabase & { policy: AppliedPolicy };

/**
 * The databases that a selection means. It never leaves one out silently: an unknown name, and a chosen
 * database without a policy, are errors.
 */
export async function chooseTargets(db: Db, selection: Selection): Promise<ManagedDatabase[]> {
  const databases = await readDatabases(db);
  switch (selection.case) {
    case "all":
      return allManaged(databases);
    case "names":
      return managed(await byNames(db, databases, selection.names));
    case "selector":
      return managed(bySelector(databases, selection.selector));
  }
}

function allManaged(databases: readonly FleetDatabase[]): ManagedDatabase[] {
  const found = databases.filter(isManaged);
  if (found.length > 0) return found;
  throw new DbctlError("usage", `Cannot back up the fleet: no policy selects any database`, {
    remedy: "Write a policy and apply it: dbctl policies apply -f FILE",
  });
}

async function byNames(
  db: Db,
  databases: readonly FleetDatabase[],
  names: readonly string[],
): Promise<FleetDatabase[]> {
  if (names.length === 0)
    throw new DbctlError("usage", "Cannot back up: no database is named", {
      remedy: "Name host/database, or say --all",
    });
  const found = new Set<FleetDatabase>();
  for (const name of names) {
    const matches = databases.filter((one) => one.name === name || one.host === name);
    if (matches.length === 0) throw await unknownDatabase(db, "back up", name);
    for (const match of matches) found.add(match);
  }
  return [...found];
}

function bySelector(databases: readonly FleetDatabase[], text: string): FleetDatabase[] {
  const selector = readSelector(text);
  const found = databases.filter((database) => selects(selector, database));
  if (found.length > 0) return found;
  const labels = new Set(
    databases.flatMap((one) => Object.entries(one.labels).map(([key, value]) => `${key}=${value}`)),
  );
  const inUse =
    labels.size === 0 ? "no labels are in use" : `labels in use: ${[...labels].join(", ")}`;
  throw new DbctlError("usage", `Cannot back up "${text}": it selects no database`, {
    remedy: `Correct the selector; ${inUse}`,
  });
}

/** A selector that a person typed. */
export function readSelector(text: string): Selector {
  try {
    return parseSelector(text);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new DbctlError("usage", `Cannot read the selector "${text}": ${cause.message}`, {
      remedy: "Write terms with commas between them, for example env=prod,engine=postgres",
      cause,
    });
  }
}

function managed(databases: readonly FleetDatabase[]): ManagedDatabase[] {
  const found = databases.filter(isManaged);
  if (found.length === databases.length) return found;
  const names = databases.filter((one) => !isManaged(one)).map(({ name }) => name);
  throw new DbctlError(
    "config-invalid",
    `Cannot back up ${names.join(", ")}: no policy selects it, so no repository is known`,
    { remedy: "Add it to a policy's selector and apply that: dbctl policies apply -f FILE" },
  );
}

function isManaged(database: FleetDatabase): database is ManagedDatabase {
  return database.policy !== undefined;
}
