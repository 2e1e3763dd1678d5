/**
 * Text of the protocol. Sessions speak UTF-8 where the database's encoding converts; in the rest
 * (SQL_ASCII) any byte may come. Bytes that are no UTF-8 become lone surrogates U+DC80–U+DCFF and go
 * back unchanged (the idea is Python's PEP 383), so a name that was read is the name that is sent.
 */

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const escaped = /[\udc80-\udcff]/u;

export function decodeText(bytes: Uint8Array): string {
  try {
    return strict.decode(bytes);
  } catch {
    return decodeEscaping(bytes);
  }
}

export function encodeText(text: string): Buffer {
  if (!escaped.test(text)) return Buffer.from(text, "utf8");
  const pieces = text.split(/([\udc80-\udcff])/u).map((piece) => {
    const code = piece.charCodeAt(0);
    const isByte = piece.length === 1 && code >= 0xdc80 && code <= 0xdcff;
    return isByte ? Buffer.of(code - 0xdc00) : Buffer.from(piece, "utf8");
  });
  return Buffer.concat(pieces);
}

function decodeEscaping(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length;) {
    const length = validLength(bytes, at);
    text +=
      length === 0
        ? String.fromCharCode(0xdc00 + (bytes[at] ?? 0))
        : strict.decode(bytes.subarray(at, at + length));
    at += length || 1;
  }
  return text;
}

/** Length of the well-formed character at `at`, 0 when there is none. */
function validLength(bytes: Uint8Array, at: number): number {
  const first = bytes[at] ?? 0;
  if (first < 0x80) return 1;
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  try {
    strict.decode(bytes.subarray(at, at + length));
    return at + length <= bytes.length ? length : 0;
  } catch {
    return 0;
  }
}
