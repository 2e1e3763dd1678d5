import { randomBytes } from "node:crypto";

/** Crockford's base32 in lower case: its letters stand in the order of their codes. */
const letters = "0123456789abcdefghjkmnpqrstvwxyz";
const timeLetters = 10;
const randomLetters = 10;

/** An id of 20 letters that nobody else makes: milliseconds, then chance. Sorts by time. */
export function newId(at: number = Date.now()): string {
  let time = "";
  for (let rest = at, n = 0; n < timeLetters; n++, rest = Math.floor(rest / 32))
    time = (letters[rest % 32] ?? "") + time;
  const chance = [...randomBytes(randomLetters)].map((byte) => letters[byte % 32]).join("");
  return time + chance;
}

/** What `newId` gives. */
export const idPattern = /^[0-9a-hjkmnp-tv-z]{20}$/;
