// What is sealed with the key of an epoch: bodies of manifests, maps, and chunks in packs.

import * as crypto from "node:crypto";
import { join } from "node:path";
import * as zlib from "node:zlib";
import { check, parseJson, readTagged, sha256 } from "./objects.mjs";

const chunkLimit = 4_194_304;
const bodyLimit = 2 ** 28;
const tagBytes = 16;

/** Every other key is made of the epoch's. `place`: ids of repository, instance and epoch. */
export function deriveKeys(epochKey, { place, packs, sizes }) {
  const derive = (info, salt, length) =>
    Buffer.from(crypto.hkdfSync("sha256", epochKey, salt, `dbctl/1/${info}`, length));
  const [chunkIds, rows] = [derive("chunk-id", "", 32), derive("row", "", 16)];
  return { place, packs, sizes, derive, chunkIds, rows, opened: new Map() };
}

/** The sealed half of a manifest. */
export function openBody(epoch, { header, sealedBody, path }) {
  check(sealedBody.length === header.body.size, `${path}: its end is missing`);
  check(sha256(sealedBody) === header.body.sha256, `${path}: its body is damaged`);
  const as = { info: "manifest-body", lines: ["body", ...epoch.place, header.id] };
  const json = zlib.zstdDecompressSync(openSealed(epoch, sealedBody, as), {
    maxOutputLength: bodyLimit,
  });
  return parseJson(json, "streams content", path);
}

/** Every stream of a backup by its number: its bytes, its hash, its chunks. */
export function openMaps(epoch, { header, folder, body }) {
  const streams = new Map();
  for (const [n, { size, sha256: hash, streams: count }] of header.maps.entries()) {
    const path = join(folder, `map-${n}`);
    const bytes = readTagged(path, "DBCTLMP");
    check(bytes.length === size && sha256(bytes) === hash, `${path} is damaged`);
    const as = { info: "map", lines: ["map", ...epoch.place, header.id, String(n)] };
    const map = readMap(openSealed(epoch, bytes.subarray(8), as));
    const numbers = map.map(({ number }) => number);
    const isNamed = numbers.length === count && String(numbers) === String(body.streams[n]);
    check(isNamed, `${path}: it has other streams than the manifest says`);
    for (const stream of map) {
      check(!streams.has(stream.number), `${path}: stream ${stream.number} is there twice`);
      streams.set(stream.number, stream);
    }
  }
  return streams;
}

function readMap(bytes) {
  let at = 0;
  const take = (length) => bytes.subarray(at, (at += length));
  const u32 = () => take(4).readUInt32LE();
  const times = (count, make) => Array.from({ length: count }, make);
  const packs = times(u32(), () => take(16).toString("hex"));
  const streams = times(u32(), () => {
    const [number, size, hash] = [u32(), take(8).readBigUInt64LE(), take(32)];
    return { number, bytes: Number(size), hash, chunks: u32() };
  });
  for (const stream of streams)
    stream.chunks = times(stream.chunks, () => {
      const [pack, offset, frameBytes, size] = [packs[u32()], u32(), u32(), u32()];
      return { pack, offset, frameBytes, size, id: take(32) };
    });
  check(at === bytes.length, "a map does not end where it should");
  return streams;
}

/** The bytes of a stream, in memory: writers cut streams to about 64 MB. */
export function readStream(epoch, { bytes, hash, chunks }) {
  const ids = Buffer.concat(chunks.map(({ id }) => id));
  check(sha256(ids) === hash.toString("hex"), "a stream's chunks are not its own");
  const stream = Buffer.concat(chunks.map((chunk) => readChunk(epoch, chunk)));
  check(stream.length === bytes, "a stream has not the bytes that it should have");
  return stream;
}

function readChunk(epoch, { pack, offset, frameBytes, size, id }) {
  const { bytes, key } = openPack(epoch, pack);
  const frame = bytes.subarray(offset, offset + frameBytes);
  const nonce = Buffer.alloc(12);
  nonce.writeBigUInt64LE(BigInt(offset));
  const lines = ["dbctl/1", "chunk", ...epoch.place].map((line) => `${line}\n`).join("");
  const data = Buffer.concat([Buffer.from(lines), id, frame.subarray(0, 5)]);
  const plain = decrypt(frame.subarray(5), { key, nonce, data });
  const codec = frame[0];
  check(codec <= 1, `pack ${pack}: codec ${codec} is not known`);
  const options = { maxOutputLength: chunkLimit };
  const chunk = codec === 1 ? zlib.zstdDecompressSync(plain, options) : plain;
  check(chunk.length === size && frame.readUInt32LE(1) === size, `pack ${pack}: wrong length`);
  const found = crypto.createHmac("sha256", epoch.chunkIds).update(chunk).digest();
  check(found.equals(id), `pack ${pack}: a chunk is not what its id says`);
  return chunk;
}

/** Whole packs are read and kept here, for simplicity; ranges of them would do. */
function openPack(epoch, pack) {
  const known = epoch.opened.get(pack);
  if (known !== undefined) return known;
  const bytes = readTagged(join(epoch.packs, pack), "DBCTLPK");
  const isWhole = bytes.length === epoch.sizes.get(pack) && bytes.subarray(-8, -1).equals(packEnd);
  check(isWhole, `pack ${pack} is damaged, or not one of this backup`);
  const opened = { bytes, key: epoch.derive("pack", Buffer.from(pack, "hex"), 32) };
  epoch.opened.set(pack, opened);
  return opened;
}

const packEnd = Buffer.from("DBCTLPX");

/** Salt, ciphertext, tag. */
function openSealed(epoch, sealed, { info, lines }) {
  const key = epoch.derive(info, sealed.subarray(0, 32), 32);
  const data = Buffer.from(["dbctl/1", ...lines].join("\n"));
  return decrypt(sealed.subarray(32), { key, nonce: Buffer.alloc(12), data });
}

function decrypt(sealed, { key, nonce, data }) {
  const options = { authTagLength: tagBytes };
  const decipher = crypto.createDecipheriv("aes-256-gcm", key, nonce, options);
  decipher.setAAD(data).setAuthTag(sealed.subarray(-tagBytes));
  return Buffer.concat([decipher.update(sealed.subarray(0, -tagBytes)), decipher.final()]);
}
