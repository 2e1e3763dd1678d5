/**
 * The inner loop of a backup, compiled to WebAssembly (AssemblyScript): strips the protocol's
 * headers off rows, hashes each row, and cuts the rows into chunks by content. JavaScript owns the
 * rest; `row-chunker.ts` is the only caller. Memory: input buffer, then chunk buffer.
 */

/** Where the socket reads into. */
export const INPUT: usize = 0x10000;
export const INPUT_BYTES: usize = 0x80000;
/** Where a chunk grows. */
const CHUNK: usize = INPUT + INPUT_BYTES;

/** Bytes of a chunk: design of the repository, docs/format.md, section "Chunks". */
const MIN: u32 = 256 << 10;
const MEAN: u32 = 1 << 20;
const MAX: u32 = 4 << 20;
/** A row of this size or more is cut off from its neighbours and split at every multiple of it. */
const LARGE: u32 = 1 << 20;

/** PostgreSQL's own limit of a message is 1 GB; a row's message may be a little longer. */
const PG_MESSAGE_LIMIT: u32 = 0x40000000 + 0x10000;

const TAKEN: u32 = 0;
const OTHER: u32 = 1;
const MALFORMED: u32 = 2;

const PG_TEXT: u32 = 0;
const PG_BINARY: u32 = 1;
const MYSQL: u32 = 2;

@external("sink", "chunk")
declare function chunk(start: usize, length: u32): void;

// Key of the row hash.
let k0: u64 = 0;
let k1: u64 = 0;

// The chunk that grows.
let filled: u32 = 0;

// The row that grows: SipHash state, bytes absorbed, where its unabsorbed bytes begin.
let v0: u64 = 0;
let v1: u64 = 0;
let v2: u64 = 0;
let v3: u64 = 0;
let rowBytes: u64 = 0;
let unhashed: u32 = 0;
let large: bool = false;
let inRow: bool = false;

// The message that is being taken.
let remaining: u32 = 0;
let continues: bool = false;
let headerSeen: bool = false;
let trailerSeen: bool = false;
/** Sequence of the next MySQL packet; -1 before the first. */
let sequence: i32 = -1;

// The part's sums.
let rows: u64 = 0;
let bytes: u64 = 0;
let sum0: u64 = 0;
let sum1: u64 = 0;

/** Where the last `scan` stopped. */
let stoppedAt: usize = 0;

export function setKey(low: u64, high: u64): void {
  k0 = low;
  k1 = high;
}

export function beginPart(): void {
  filled = 0;
  inRow = false;
  remaining = 0;
  continues = false;
  headerSeen = false;
  trailerSeen = false;
  sequence = -1;
  rows = 0;
  bytes = 0;
  sum0 = 0;
  sum1 = 0;
}

/** Hands on the last chunk. False when the part ended inside a row, or without its trailer. */
export function endPart(framing: u32): bool {
  if (inRow || remaining > 0 || continues) return false;
  if (framing == PG_BINARY && !trailerSeen) return false;
  flush();
  return true;
}

export function rowCount(): u64 {
  return rows;
}
export function byteCount(): u64 {
  return bytes;
}
export function digestLow(): u64 {
  return sum0;
}
export function digestHigh(): u64 {
  return sum1;
}
export function stopped(): usize {
  return stoppedAt;
}

/** Takes input[start, end). 0: taken up to `stopped()`, 1: another message there, 2: malformed. */
export function scan(framing: u32, start: usize, end: usize): u32 {
  let at = INPUT + start;
  const stop = INPUT + end;
  let result: u32 = TAKEN;
  while (at < stop) {
    if (remaining == 0) {
      const header = framing == MYSQL ? mysqlHeader(at, stop) : pgHeader(framing, at, stop);
      if (header < 0) {
        result = u32(-header - 1);
        break;
      }
      at += usize(header);
      if (remaining == 0) continue;
    }
    const n = min<usize>(remaining, stop - at);
    append(at, u32(n));
    at += n;
    remaining -= u32(n);
    if (remaining == 0 && !continues) endRow();
  }
  stoppedAt = at - INPUT;
  return result;
}

/** One row without framing that lies in the input memory, or a piece of one. */
export function pushRow(length: u32, last: bool): void {
  if (!inRow) beginRow(last ? length : LARGE);
  append(INPUT, length);
  if (last) endRow();
}

/**
 * PostgreSQL message header: type, then a length that counts itself (protocol, "Message Formats").
 * Gives the bytes to skip before the row, or -(result + 1).
 */
function pgHeader(framing: u32, at: usize, stop: usize): i32 {
  if (load<u8>(at) != 0x64) return -i32(OTHER + 1); // 'd' CopyData
  if (stop - at < 5) return -i32(TAKEN + 1);
  const announced = bswap<u32>(load<u32>(at, 1));
  if (announced < 5 || announced > PG_MESSAGE_LIMIT) return -i32(MALFORMED + 1);
  let length = announced - 4;
  let skip: u32 = 5;
  if (framing == PG_BINARY) {
    if (trailerSeen) return -i32(MALFORMED + 1);
    if (!headerSeen) {
      // "COPY … Binary Format, File Header": signature, flags, length of an extension.
      if (length < 19) return -i32(MALFORMED + 1);
      if (stop - at < 24) return -i32(TAKEN + 1);
      if (!isCopyHeader(at + 5)) return -i32(MALFORMED + 1);
      skip += 19;
      length -= 19;
    }
    if (length == 2) {
      // A field count of -1 is the trailer; a row of a table without columns has 0.
      if (stop - at < skip + 2) return -i32(TAKEN + 1);
      if (load<u16>(at + skip) == 0xffff) {
        headerSeen = true;
        trailerSeen = true;
        return i32(skip + 2);
      }
    }
    headerSeen = true;
    if (length == 0) return i32(skip);
  }
  remaining = length;
  beginRow(length);
  return i32(skip);
}

function isCopyHeader(at: usize): bool {
  return (
    load<u8>(at) == 0x50 && load<u8>(at, 1) == 0x47 && load<u8>(at, 2) == 0x43 &&
    load<u8>(at, 3) == 0x4f && load<u8>(at, 4) == 0x50 && load<u8>(at, 5) == 0x59 &&
    load<u8>(at, 6) == 0x0a && load<u8>(at, 7) == 0xff && load<u8>(at, 8) == 0x0d &&
    load<u8>(at, 9) == 0x0a && load<u8>(at, 10) == 0x00 && load<u64>(at, 11) == 0
  );
}

/**
 * MySQL packet header: length (3 bytes), sequence; a payload of 2^24-1 bytes goes on in the next
 * packet. A row never begins with 0xff (error), and with 0xfe only in a packet of full length. Packets
 * of one answer count up, modulo 256: what was lost or moved on the way is noticed.
 */
function mysqlHeader(at: usize, stop: usize): i32 {
  if (stop - at < 4) return -i32(TAKEN + 1);
  const length = load<u32>(at) & 0xffffff;
  if (!continues) {
    if (length == 0) return -i32(MALFORMED + 1);
    if (stop - at < 5) return -i32(TAKEN + 1);
    const first = load<u8>(at, 4);
    if (first == 0xff || (first == 0xfe && length < 0xffffff)) return -i32(OTHER + 1);
  }
  const number = i32(load<u8>(at, 3));
  if (sequence >= 0 && number != sequence) return -i32(MALFORMED + 1);
  sequence = (number + 1) & 0xff;
  if (!continues) beginRow(length);
  continues = length == 0xffffff;
  remaining = length;
  if (length == 0) endRow();
  return 4;
}

function beginRow(length: u32): void {
  large = length >= LARGE;
  if (filled > 0 && (large || filled + length > MAX)) flush();
  inRow = true;
  rowBytes = 0;
  unhashed = filled;
  v0 = k0 ^ 0x736f6d6570736575;
  v1 = k1 ^ 0x646f72616e646f6d ^ 0xee;
  v2 = k0 ^ 0x6c7967656e657261;
  v3 = k1 ^ 0x7465646279746573;
}

function append(from: usize, length: u32): void {
  while (length > 0) {
    const room = (large ? LARGE : MAX) - filled;
    if (room == 0) {
      absorb();
      flush();
      unhashed = 0;
      continue;
    }
    const n = min(room, length);
    memory.copy(CHUNK + filled, from, n);
    filled += n;
    rowBytes += n;
    from += n;
    length -= n;
  }
}

function endRow(): void {
  inRow = false;
  absorb();
  finishHash();
  const low = v0 ^ v1 ^ v2 ^ v3;
  v1 ^= 0xdd;
  round();
  round();
  round();
  sum0 += low;
  sum1 += v0 ^ v1 ^ v2 ^ v3;
  rows += 1;
  if (large) flush();
  else if (filled >= MIN && (low >> 32) * u64(MEAN - MIN) < rowBytes << 32) flush();
}

function flush(): void {
  if (filled == 0) return;
  bytes += filled;
  chunk(CHUNK, filled);
  filled = 0;
}

// SipHash-1-3 with 128 bits of output (Aumasson, Bernstein: "SipHash: a fast short-input PRF").

function absorb(): void {
  while (filled - unhashed >= 8) {
    const m = load<u64>(CHUNK + unhashed);
    v3 ^= m;
    round();
    v0 ^= m;
    unhashed += 8;
  }
}

function finishHash(): void {
  let m: u64 = rowBytes << 56;
  for (let i: u32 = 0; unhashed + i < filled; i++) {
    m |= u64(load<u8>(CHUNK + unhashed + i)) << (i * 8);
  }
  unhashed = filled;
  v3 ^= m;
  round();
  v0 ^= m;
  v2 ^= 0xee;
  round();
  round();
  round();
}

// @ts-ignore: decorator
@inline
function round(): void {
  v0 += v1;
  v1 = rotl(v1, 13);
  v1 ^= v0;
  v0 = rotl(v0, 32);
  v2 += v3;
  v3 = rotl(v3, 16);
  v3 ^= v2;
  v0 += v3;
  v3 = rotl(v3, 21);
  v3 ^= v0;
  v2 += v1;
  v1 = rotl(v1, 17);
  v1 ^= v2;
  v2 = rotl(v2, 32);
}
