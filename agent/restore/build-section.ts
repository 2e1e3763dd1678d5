import type { BackupBody } from "../backup/backup-body.ts";
import type { SchemaObject, Section } from "../engines/engine.ts";
import { objectStep } from "../engines/restore-journal.ts";
import { type Lane, runOnLanes } from "../lanes/lane.ts";
import type { RestoreEvent } from "./restore-backup.ts";

interface Building {
  body: BackupBody;
  section: Section;
  /** Steps of an earlier attempt. */
  done: ReadonlySet<string>;
}

/**
 * Builds the section's objects that are not built yet: on one lane in their order, on several the
 * costliest first.
 */
export async function* buildSection(
  lanes: Lane[],
  { body, section, done }: Building,
): AsyncGenerator<RestoreEvent> {
  const steps = body.list.objects
    .map((object, index) => ({ object, step: objectStep(index) }))
    .filter(({ object, step }) => object.section === section && !done.has(step));
  yield { kind: "section-begun", section, objects: steps.length };
  const cost = ({ object }: { object: SchemaObject }) => object.cost ?? 0;
  const order = lanes.length === 1 ? steps : steps.toSorted((a, b) => cost(b) - cost(a));
  const build = (lane: Lane, { object, step }: (typeof steps)[number]) => lane.build(object, step);
  for await (const _ of runOnLanes(lanes, order, build));
}
