/** Bytes that mean something in SQL. Both dialects take every byte above 127 as part of a word. */
export const byte = {
  tab: 0x09,
  newline: 0x0a,
  return: 0x0d,
  double: 0x22,
  hash: 0x23,
  dollar: 0x24,
  quote: 0x27,
  open: 0x28,
  close: 0x29,
  star: 0x2a,
  minus: 0x2d,
  slash: 0x2f,
  semicolon: 0x3b,
  backslash: 0x5c,
  backtick: 0x60,
} as const;

const wordBytes = Uint8Array.from({ length: 256 }, (_, code) =>
  code > 127 || /[A-Za-z0-9_$]/.test(String.fromCharCode(code)) ? 1 : 0,
);
const spaceBytes = Uint8Array.from({ length: 256 }, (_, code) =>
  /[ \t\n\v\f\r]/.test(String.fromCharCode(code)) ? 1 : 0,
);

export function isWord(code: number | undefined): boolean {
  return code !== undefined && wordBytes[code] === 1;
}

export function isSpace(code: number | undefined): boolean {
  return code !== undefined && spaceBytes[code] === 1;
}

/** The first index from `at` on that is no part of a word. */
export function wordEnd(data: Uint8Array, at: number): number {
  let end = at;
  while (end < data.length && wordBytes[data[end] ?? 0] === 1) end++;
  return end;
}

export function spaceEnd(data: Uint8Array, at: number): number {
  let end = at;
  while (end < data.length && spaceBytes[data[end] ?? 0] === 1) end++;
  return end;
}
