import { DbctlError } from "../../core/errors.ts";
import type { ObjectList, SchemaObject, ServerFacts } from "../engines/engine.ts";

/** What a server has said of itself, and of the objects of one of its databases. */
export interface Described {
  facts: ServerFacts;
  list: ObjectList;
}

/**
 * Throws when the restored database does not have exactly the objects of the backup: by section,
 * kind and name, and between servers of one release also by their statements, which are written
 * from the catalog and so tell of every grant, state and value that a catalog has.
 */
export function compareObjects(backup: Described, restored: Described): void {
  const [expected, found] = [byIdentity(backup), byIdentity(restored)];
  const isExact = releaseOf(backup.facts) === releaseOf(restored.facts);
  const differences: string[] = [];
  for (const [identity, object] of expected) {
    const twin = found.get(identity);
    if (twin === undefined) {
      if (object.mayEnd !== true) differences.push(`${nameOf(object)} is missing`);
    } else if (isExact && statementsOf(object) !== statementsOf(twin))
      differences.push(`${nameOf(object)} is not the same`);
  }
  for (const [identity, object] of found)
    if (!expected.has(identity)) differences.push(`${nameOf(object)} is not in the backup`);
  if (differences.length > 0) throw differing(restored.facts, differences);
}

function byIdentity({ facts, list }: Described): Map<string, SchemaObject> {
  const identity = ({ section, kind, name }: SchemaObject) => {
    // A copy may have another name than the original.
    const isItself = kind === "database" && name === facts.database;
    return JSON.stringify([section, kind, isItself ? "" : name]);
  };
  return new Map(list.objects.map((object) => [identity(object), object]));
}

function statementsOf({ statements }: SchemaObject): string {
  return JSON.stringify(statements);
}

/** Servers of one release write the same objects in the same words: `postgres 15`, `mariadb 10.11`. */
function releaseOf({ flavour, version }: ServerFacts): string {
  const release = flavour === "postgres" ? /^[0-9]+/ : /^[0-9]+\.[0-9]+/;
  return `${flavour} ${release.exec(version)?.[0] ?? version}`;
}

function nameOf({ section, kind, name }: SchemaObject): string {
  return `${kind} ${name} (${section})`;
}

/** Differences that are named; the others are counted. */
const namedDifferences = 20;

function differing({ database }: ServerFacts, differences: string[]): DbctlError {
  const named = differences.slice(0, namedDifferences).join("; ");
  const more = differences.length - namedDifferences;
  const rest = more > 0 ? `; and ${more} more` : "";
  return new DbctlError(
    "digest-mismatch",
    `Cannot prove the objects of database "${database}": ${named}${rest}`,
    { remedy: "Do not use the restored database; report this with the versions of both servers" },
  );
}
