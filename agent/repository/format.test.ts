import assert from "node:assert/strict";
import * as crypto from "node:crypto";
import { test } from "node:test";
import { zstdDecompressSync } from "node:zlib";
import { Decrypter } from "age-encryption";
import {
  backUp,
  makeScratchRepository,
  type ScratchRepository,
} from "../../integration/fixtures/scratch-repository.ts";

// A decoder made from docs/format.md alone. It shares no code with the one that it holds to its word.

test("docs/format.md is enough to restore a backup", async () => {
  await using scratch = await makeScratchRepository();
  const streams = [
    [crypto.randomBytes(3000), Buffer.alloc(5000, "row\n"), Buffer.from("x")],
    [],
    [Buffer.alloc(5000, "row\n")],
  ];
  await backUp(scratch, { streams, packBytes: 3000 });
  assert.deepEqual(
    await restoreByTheBook(scratch),
    streams.map((chunks) => Buffer.concat(chunks)),
  );
});

async function restoreByTheBook({ objects, identity }: ScratchRepository): Promise<Buffer[]> {
  const object = (key: string) => Buffer.from(objects.get(key) ?? assert.fail(key));
  const repository = JSON.parse(object("repository.json").toString());
  const key = objects.keys().find((name) => name.endsWith("/manifest")) ?? assert.fail();
  const folder = key.slice(0, -"/manifest".length);

  const manifest = object(key);
  assert.equal(manifest.toString("latin1", 0, 8), "DBCTLMF\x01");
  const headerEnd = 12 + manifest.readUInt32LE(8);
  const json = manifest.subarray(12, headerEnd);
  const header = JSON.parse(json.toString());
  const x = Buffer.from(header.signer, "hex").toString("base64url");
  const signer = crypto.createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
  const signed = Buffer.concat([Buffer.from("dbctl/1/manifest\n"), json]);
  const signature = manifest.subarray(headerEnd, headerEnd + 64);
  assert.ok(crypto.verify(null, signed, signer, signature));

  const age = new Decrypter();
  age.addIdentity(identity.reveal());
  const sealedEpoch = object(`${header.instance}/epochs/${header.epoch}.age`);
  const epoch = JSON.parse(await age.decrypt(sealedEpoch, "text"));
  assert.equal(epoch.signer, header.signer);
  const place = ["dbctl/1", repository.id, header.instance, header.epoch];
  const book = new Book(Buffer.from(epoch.key, "hex"), place);

  const body = manifest.subarray(headerEnd + 64);
  assert.deepEqual([body.length, sha256(body)], [header.body.size, header.body.sha256]);
  const content = JSON.parse(
    zstdDecompressSync(
      book.unseal(body, { info: "manifest-body", purpose: "body", context: [header.id] }),
    ).toString(),
  );
  assert.deepEqual(content.content, { streams: 3 });
  const map = object(`${folder}/map-0`);
  assert.deepEqual([map.length, sha256(map)], [header.maps[0].size, header.maps[0].sha256]);
  const packOf = (pack: string) => object(`${header.instance}/packs/${header.epoch}/${pack}`);
  for (const { pack, size } of header.packs) book.checkPack(packOf(pack), { pack, size });
  const opened = book.unseal(map.subarray(8), {
    info: "map",
    purpose: "map",
    context: [header.id, "0"],
  });
  return book.readStreams(opened, packOf);
}

class Book {
  readonly key: Buffer;
  readonly place: string[];

  constructor(key: Buffer, place: string[]) {
    this.key = key;
    this.place = place;
  }

  derive(info: string, salt: Uint8Array): Buffer {
    return Buffer.from(crypto.hkdfSync("sha256", this.key, salt, `dbctl/1/${info}`, 32));
  }

  lines(purpose: string, ...context: string[]): string[] {
    const [version = "", ...place] = this.place;
    return [version, purpose, ...place, ...context];
  }

  unseal(sealed: Buffer, as: { info: string; purpose: string; context: string[] }): Buffer {
    const key = this.derive(as.info, sealed.subarray(0, 32));
    const aad = Buffer.from(this.lines(as.purpose, ...as.context).join("\n"));
    return openGcm(key, { nonce: Buffer.alloc(12), aad, bytes: sealed.subarray(32) });
  }

  checkPack(pack: Buffer, { pack: id, size }: { pack: string; size: number }): void {
    assert.equal(pack.length, size);
    assert.equal(pack.toString("latin1", 0, 8), "DBCTLPK\x01");
    assert.equal(pack.toString("latin1", size - 8), "DBCTLPX\x01");
    const indexAt = size - 12 - pack.readUInt32LE(size - 12);
    const sealed = pack.subarray(indexAt, size - 12);
    const as = { info: "pack-index", purpose: "packIndex", context: [id] };
    const index = this.unseal(sealed, as);
    let at = 8;
    for (let entry = 0; entry < index.length; entry += 40) at += index.readUInt32LE(entry + 32);
    assert.equal(at, indexAt);
  }

  readStreams(map: Buffer, packOf: (pack: string) => Buffer): Buffer[] {
    let at = 0;
    const u32 = () => map.readUInt32LE((at += 4) - 4);
    const take = (length: number) => map.subarray(at, (at += length));
    const packs = Array.from({ length: u32() }, () => take(16).toString("hex"));
    const streams = Array.from({ length: u32() }, () => {
      const [number, bytes] = [u32(), take(8).readBigUInt64LE()];
      return { number, bytes, hash: take(32).toString("hex"), chunks: u32() };
    });
    const result: Buffer[] = [];
    for (const { number, bytes, hash, chunks } of streams) {
      const ids = crypto.createHash("sha256");
      const plain = Array.from({ length: chunks }, () => {
        const pack = packs[u32()] ?? assert.fail();
        const [offset, stored, length] = [u32(), u32(), u32()];
        const id = take(32);
        ids.update(id);
        const chunk = this.openFrame(packOf(pack).subarray(offset, offset + stored), {
          pack,
          offset,
          id,
        });
        assert.equal(chunk.length, length);
        return chunk;
      });
      result[number] = Buffer.concat(plain);
      assert.equal(BigInt(result[number].length), bytes);
      assert.equal(ids.digest("hex"), hash);
    }
    assert.equal(at, map.length);
    return result;
  }

  openFrame(frame: Buffer, at: { pack: string; offset: number; id: Buffer }): Buffer {
    const nonce = Buffer.alloc(12);
    nonce.writeBigUInt64LE(BigInt(at.offset));
    const lines = this.lines("chunk").map((line) => `${line}\n`);
    const aad = Buffer.concat([Buffer.from(lines.join("")), at.id, frame.subarray(0, 5)]);
    const key = this.derive("pack", Buffer.from(at.pack, "hex"));
    const packed = openGcm(key, { nonce, aad, bytes: frame.subarray(5) });
    const chunk = frame[0] === 1 ? zstdDecompressSync(packed) : packed;
    const idKey = this.derive("chunk-id", Buffer.alloc(0));
    assert.ok(crypto.createHmac("sha256", idKey).update(chunk).digest().equals(at.id));
    return chunk;
  }
}

function openGcm(key: Buffer, { nonce, aad, bytes }: Record<"nonce" | "aad" | "bytes", Buffer>) {
  const opener = crypto.createDecipheriv("aes-256-gcm", key, nonce);
  opener.setAAD(aad);
  opener.setAuthTag(bytes.subarray(-16));
  return Buffer.concat([opener.update(bytes.subarray(0, -16)), opener.final()]);
}

function sha256(bytes: Buffer): string {
  return crypto.createHash("sha256").update(bytes).digest("hex");
}
