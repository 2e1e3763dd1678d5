import type { ObjectList } from "../engine.ts";
import { unfinishedObject } from "../restore-journal.ts";
import type { Catalog } from "./catalog.ts";
import { joinDrafts, noDrafts } from "./object-draft.ts";
import { describeDatabase } from "./objects-database.ts";
import { describeEvents } from "./objects-events.ts";
import { describeForeignKeys } from "./objects-foreign-keys.ts";
import { describeRoutines } from "./objects-routines.ts";
import { describeSequences } from "./objects-sequences.ts";
import { describeTables } from "./objects-tables.ts";
import { describeTriggers } from "./objects-triggers.ts";
import { describeViews } from "./objects-views.ts";
import { hasJournal } from "./restore-journal.ts";
import type { TableEntry } from "./table-list.ts";

const known = new Set(["BASE TABLE", "SYSTEM VERSIONED", "SEQUENCE", "VIEW"]);

/** Every object of the database, in the order in which the statements can run. */
export async function listObjects(catalog: Catalog, tables: TableEntry[]): Promise<ObjectList> {
  const database = await describeDatabase(catalog);
  const sequences = await describeSequences(catalog, tables);
  const plain = await describeTables(catalog, tables);
  const foreignKeys = await describeForeignKeys(catalog);
  const routines = await describeRoutines(catalog, database.collation);
  const views = await describeViews(catalog, tables);
  const triggers = await describeTriggers(catalog, database.collation);
  const events = await describeEvents(catalog, database.collation);
  const strange = noDrafts();
  for (const { name, type } of tables.filter((table) => !known.has(table.type)))
    strange.unsupported.push({ kind: type.toLowerCase(), name, remedy: "Drop it, or export it" });
  if (await hasJournal(catalog)) strange.unsupported.push(unfinishedObject);
  const all = [database.drafts, sequences, plain, foreignKeys, routines, views, triggers, events];
  return joinDrafts([...all, strange]);
}
