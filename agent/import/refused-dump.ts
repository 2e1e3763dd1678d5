import { DbctlError } from "../../core/errors.ts";
import type { Damage, Refusal } from "./statement.ts";

/** For people: `line 12, byte 345: the last statement has no end; …`. */
export function describeDamage({ what, place, lastTable }: Damage): string {
  const table = lastTable === null ? "" : `; the last complete table is ${lastTable}`;
  return `line ${place.line}, byte ${place.byte}: ${what}${table}`;
}

export function damagedDump(path: string, what: string): DbctlError {
  return new DbctlError("dump-damaged", `Cannot import ${path}: ${what}`, {
    remedy: "Make the dump again, or take an older one; dbctl import --check shows what is whole",
  });
}

export function refusedDump(path: string, { what, place }: Refusal): DbctlError {
  return new DbctlError("dump-refused", `Cannot import ${path}: line ${place.line} holds ${what}`, {
    remedy: "Nothing was run. Find out how it got there; take the line out if it does no harm",
  });
}
