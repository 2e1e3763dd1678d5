import { parseControl } from "./control-json.ts";
import { damaged } from "./damage.ts";
import { instancePattern, randomIdPattern, timedIdPattern } from "./identifier.ts";
import { count, isoTime, label, nullable, oneOf, record, type Shape, text } from "./json-shape.ts";

/** What is said of a backup. docs/format.md, "Marks". */
export type MarkKind = "delete" | "undelete" | "hold" | "release" | "tag" | "untag" | "remove";

/** One word on one backup, created once. */
export interface Mark {
  format: 1;
  repository: string;
  instance: string;
  backup: string;
  /** From 1; the marks of a backup are counted without a gap. */
  number: number;
  /** Of this one mark, so that its writer knows it again when the store's answer was lost. */
  id: string;
  mark: MarkKind;
  /** By the clock of whoever marks: an operator, a controller, a prune; never a host. */
  at: string;
  by: string;
  reason: string;
  /** Seconds for which a deleted backup can be had back. Of `delete` only. */
  window: number | null;
  /** Of `tag` and `untag` only. */
  tag: string | null;
}

export const tagPattern = /^\w[\w.=~+-]{0,63}$/;
export const maxMarkBytes = 1 << 16;

export function encodeMark(mark: Mark): Buffer {
  return Buffer.from(`${JSON.stringify(markShape(mark, "mark"))}\n`);
}

/** `repository-damaged` when it is not a mark of that place, `repository-newer` for a later format. */
export function parseMark(
  bytes: Buffer,
  place: { repository: string; instance: string; id: string; number: number },
  object: string,
): Mark {
  const mark = parseControl(bytes, { shape: markShape, name: "mark", object });
  const { repository, instance, id, number } = place;
  if (mark.repository !== repository) throw damaged(object, `it is of another repository`);
  if (mark.instance !== instance || mark.backup !== id || mark.number !== number)
    throw damaged(object, `it is mark ${mark.number} of ${mark.instance}, backup ${mark.backup}`);
  return mark;
}

const markShape: Shape<Mark> = (value, where) => {
  const mark = anyMarkShape(value, where);
  if ((mark.mark === "delete") !== (mark.window !== null))
    throw new SyntaxError(`${where}.window must be there for delete, and for nothing else`);
  if ((mark.mark === "tag" || mark.mark === "untag") !== (mark.tag !== null))
    throw new SyntaxError(`${where}.tag must be there for tag and untag, and for nothing else`);
  return mark;
};

const anyMarkShape = record<Mark>({
  format: oneOf(1),
  repository: text(randomIdPattern),
  instance: text(instancePattern),
  backup: text(timedIdPattern),
  number: count,
  id: text(randomIdPattern),
  mark: oneOf("delete", "undelete", "hold", "release", "tag", "untag", "remove"),
  at: isoTime,
  by: label,
  reason: label,
  window: nullable(count),
  tag: nullable(text(tagPattern)),
});
