import type { Mark } from "./mark.ts";

/** A mark as it lies in the store. */
export interface StoredMark {
  mark: Mark;
  /** By the store's own clock, where it tells. */
  created?: Date | undefined;
}

/** What all marks of one backup say together. */
export interface MarkState {
  /** How many there are. */
  number: number;
  deleted: (Said & { until: Date }) | undefined;
  held: Said | undefined;
  /** A prune has begun to remove it; nothing brings it back. */
  removing: Said | undefined;
  tags: string[];
}

export interface Said {
  at: Date;
  by: string;
  reason: string;
}

export const unmarked: MarkState = {
  number: 0,
  deleted: undefined,
  held: undefined,
  removing: undefined,
  tags: [],
};

/** Deleted, or on its way out: no longer one of the repository's backups to anybody. */
export function isDeleted({ deleted, removing }: MarkState): boolean {
  return deleted !== undefined || removing !== undefined;
}

/**
 * What the marks say, in their order. A deleted backup can be had back until its window has passed
 * by both clocks, of who marked it and of the store.
 */
export function foldMarks(marks: readonly StoredMark[]): MarkState {
  return marks.reduce(next, unmarked);
}

function next(state: MarkState, { mark, created }: StoredMark): MarkState {
  const { number, by, reason, window, tag } = mark;
  const at = new Date(mark.at);
  const said = { at, by, reason };
  switch (mark.mark) {
    case "delete": {
      const begin = Math.max(+at, +(created ?? at));
      return {
        ...state,
        number,
        deleted: { ...said, until: new Date(begin + (window ?? 0) * 1000) },
      };
    }
    case "undelete":
      return { ...state, number, deleted: undefined };
    case "hold":
      return { ...state, number, held: said };
    case "release":
      return { ...state, number, held: undefined };
    case "tag":
      return { ...state, number, tags: [...new Set([...state.tags, tag ?? ""])] };
    case "untag":
      return { ...state, number, tags: state.tags.filter((one) => one !== tag) };
    case "remove":
      return { ...state, number, removing: said };
  }
}
