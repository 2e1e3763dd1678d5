import { isDeepStrictEqual } from "node:util";
import { DbctlError } from "../../core/errors.ts";
import type { BackupBody } from "../backup/backup-body.ts";
import type { Engine, ServerFacts, TableData } from "../engines/engine.ts";
import { streamStep } from "../engines/restore-journal.ts";

interface Checking {
  body: BackupBody;
  done: ReadonlySet<string>;
  signal: AbortSignal;
}

/**
 * Refuses to go on in a target whose tables are no longer what the restore has made: one is there
 * that the backup does not have, one that has rows already is gone, or has other columns. Changed
 * rows are found by the comparison at the end, which looks at all of them.
 */
export async function checkTarget(engine: Engine, { body, done, signal }: Checking): Promise<void> {
  const facts = await engine.probe({ signal });
  await using snapshot = await engine.openSnapshot({ startReaders: async () => {}, signal });
  const found = new Map(
    (await snapshot.listTables()).map((table) => [identify(table, facts), table]),
  );
  const known = new Map(body.tables.map((entry) => [identify(entry.data, body.facts), entry]));
  for (const [identity, { data, streams }] of known) {
    const table = found.get(identity);
    const isLoaded = streams.some((stream) => done.has(streamStep(stream)));
    if (table === undefined && isLoaded) throw changed(facts, `table ${data.name} is gone`);
    if (table !== undefined && !isDeepStrictEqual(table.columns, data.columns))
      throw changed(facts, `table ${data.name} has other columns`);
  }
  for (const [identity, { name }] of found)
    if (!known.has(identity)) throw changed(facts, `table ${name} is not in the backup`);
}

/** Where a schema is a database, a copy may have another name than the original. */
function identify({ schema, name }: TableData, { flavour, database }: ServerFacts): string {
  const isItself = flavour !== "postgres" && schema === database;
  return JSON.stringify([isItself ? "" : schema, name]);
}

function changed({ database }: ServerFacts, what: string): DbctlError {
  return new DbctlError(
    "target-changed",
    `Cannot resume the restore into "${database}": it was changed meanwhile, ${what}`,
    { remedy: "Take the change back, or drop the database and restore into a new one" },
  );
}
