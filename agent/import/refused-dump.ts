import { DbctlError } from "../../core/errors.ts";
import type { Damage, Place, Refusal } from "./statement.ts";

/** For people: `line 12`, `line 1 of entry 207`. */
export function describePlace({ entry, line }: Place): string {
  return `line ${line}${entry === undefined ? "" : ` of entry ${entry}`}`;
}

/** For people: `line 12, byte 345: the last statement has no end; …`. */
export function describeDamage({ what, place, lastTable }: Damage): string {
  const table = lastTable === null ? "" : `; the last complete table is ${lastTable}`;
  return `${describePlace(place)}, byte ${place.byte}: ${what}${table}`;
}

export function damagedDump(path: string, what: string): DbctlError {
  return new DbctlError("dump-damaged", `Cannot import ${path}: ${what}`, {
    remedy: "Make the dump again, or take an older one; dbctl import --check shows what is whole",
  });
}

export function refusedDump(path: string, { what, place, remedy }: Refusal): DbctlError {
  const where = describePlace(place);
  return new DbctlError("dump-refused", `Cannot import ${path}: ${where} holds ${what}`, {
    remedy: `Nothing was run. ${remedy ?? "Find out how it got there; take the line out if it does no harm"}`,
  });
}
