/** S3 takes no more parts of one object; the others take more. */
export const mostParts = 10_000;

/** No part is smaller than what S3 asks for (5 MiB), except the last. */
const firstBytes = 8 << 20;
const partsOfOneSize = 1000;

/**
 * The size of an object's part, by its number from 1. Nobody knows beforehand how long a body is:
 * parts double after each 1000, so that `mostParts` of them hold more than 5 TiB.
 */
export function partBytes(number: number): number {
  return firstBytes * 2 ** Math.floor((number - 1) / partsOfOneSize);
}

const mostInFlight = 3;
const mostBytesInFlight = 96 << 20;

/** How many parts of that size may be under way at once: what they hold stays in memory. */
export function partsInFlight(bytes: number): number {
  return Math.max(1, Math.min(mostInFlight, Math.floor(mostBytesInFlight / bytes)));
}
