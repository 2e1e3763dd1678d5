import type { Mutation } from "./mutation.ts";

const repository = "agent/repository";

/** Defects in cutting, packing, sealing and reading back. */
export const packing: readonly Mutation[] = [
  {
    defect: "every frame of a pack has the same nonce",
    file: `${repository}/chunk-codec.ts`,
    from: "nonce.writeBigUInt64LE(BigInt(offset));",
    to: "nonce.writeBigUInt64LE(0n); void offset;",
    tests: [`${repository}/format.test.ts`],
  },
  {
    defect: "all packs of an epoch share one key",
    file: `${repository}/chunk-codec.ts`,
    from: '{ salt: Buffer.from(pack, "hex") }',
    to: "{}",
    tests: [`${repository}/format.test.ts`],
  },
  {
    defect: "a frame is not bound to its epoch",
    file: `${repository}/chunk-codec.ts`,
    from: '["dbctl/1", "chunk", repository, instance, name, ""]',
    to: '["dbctl/1", "chunk", repository, instance, name && "", ""]',
    tests: [`${repository}/format.test.ts`],
  },
  {
    defect: "sealed bytes are not bound to their place",
    file: `${repository}/sealed-bytes.ts`,
    from: '["dbctl/1", purpose, repository, instance, epoch, ...context]',
    to: '["dbctl/1", purpose, repository, instance, epoch, ...context.slice(9)]',
    tests: [`${repository}/format.test.ts`, `${repository}/open-backup.test.ts`],
  },
  {
    defect: "a chunk of another length passes",
    file: `${repository}/chunk-codec.ts`,
    from: "if (chunk.length !== bytes) throw fault(",
    to: "if (chunk.length < 0) throw fault(",
    tests: [`${repository}/chunk-codec.test.ts`],
  },
  {
    defect: "what the compressor made is not opened again",
    file: `${repository}/chunk-codec.ts`,
    from: "if (Buffer.compare(decoded, chunk) !== 0) throw misencoded();",
    to: "",
    tests: [`${repository}/chunk-codec.test.ts`],
  },
  {
    defect: "the index of a pack tells wrong lengths",
    file: `${repository}/pack.ts`,
    from: "index.writeUInt32LE(bytes, n * entryBytes + 36);",
    to: "index.writeUInt32LE(stored, n * entryBytes + 36); void bytes;",
    tests: [`${repository}/pack.test.ts`, `${repository}/format.test.ts`],
  },
  {
    defect: "a pack that the store cut short counts as stored",
    file: `${repository}/chunk-writer.ts`,
    from: "if (size !== upload.size) throw missized(key, { size, expected: upload.size });",
    to: "",
    tests: [`${repository}/chunk-writer.test.ts`],
  },
  {
    defect: "a chunk is known before its pack is confirmed",
    file: `${repository}/chunk-writer.ts`,
    from: "const { size } = await store.put(key, upload.body(), { bulk: true, signal });",
    to: "const { size } = { size: upload.size }; void store.put(key, upload.body(), { bulk: true, signal }).catch(() => {});",
    tests: [`${repository}/chunk-writer.test.ts`],
  },
  {
    defect: "the hash of a stream is not compared",
    file: `${repository}/map-bytes.ts`,
    from: "if (sum !== bytes || hash !== streamHash(chunks))",
    to: "if (sum !== bytes)",
    tests: [`${repository}/map-bytes.test.ts`, `${repository}/format.test.ts`],
  },
  {
    defect: "the last bytes of a stream are not counted",
    file: `${repository}/chunk-writer.ts`,
    from: "this.#stream.bytes += chunk.length;",
    to: "this.#stream.bytes += chunk.length & ~1;",
    tests: [`${repository}/chunk-writer.test.ts`],
  },
];
