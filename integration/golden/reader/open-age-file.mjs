// Opens age files (age-encryption.org/v1, https://c2sp.org/age) with Node's own cryptography:
// binary files, recipients of kind X25519 and scrypt.

import * as crypto from "node:crypto";

const intro = "age-encryption.org/v1\n";
const payloadChunk = 65_536;
const tagBytes = 16;

/**
 * Gives the contents of an age file. `keys` are identities ("AGE-SECRET-KEY-1…") or passphrases, as
 * `{ identity: text }` or `{ passphrase: text }`.
 */
export function openAgeFile(file, keys) {
  const { stanzas, beforeMac, mac, payload } = readHeader(file);
  for (const stanza of stanzas) {
    for (const key of keys) {
      const fileKey = openStanza(stanza, key);
      if (fileKey === undefined) continue;
      const macKey = hkdf(fileKey, Buffer.alloc(0), "header");
      const expected = crypto.createHmac("sha256", macKey).update(beforeMac).digest();
      check(expected.equals(mac), "the age file's header was changed");
      return openPayload(fileKey, payload);
    }
  }
  throw new Error("the age file is not sealed to what was given to open it");
}

/** Whether an identity is the secret half of a recipient ("age1…"). */
export function isIdentityOf(identity, recipient) {
  return publicBytes(privateKeyOf(identity)).equals(decodeBech32(recipient, "age"));
}

/** Stanzas are lines `-> type argument …`, then base64 in lines of 64, the last one shorter. */
function readHeader(file) {
  check(file.subarray(0, intro.length).equals(Buffer.from(intro)), "this is no binary age file");
  const stanzas = [];
  let position = intro.length;
  for (;;) {
    const line = readLine(file, position);
    if (line.text.startsWith("--- ")) {
      const beforeMac = file.subarray(0, position + 3);
      return {
        stanzas,
        beforeMac,
        mac: base64(line.text.slice(4)),
        payload: file.subarray(line.end),
      };
    }
    check(line.text.startsWith("-> "), "a line of the age header is not understood");
    const [type, ...fields] = line.text.slice(3).split(" ");
    let body = "";
    let part = line;
    do {
      part = readLine(file, part.end);
      body += part.text;
    } while (part.text.length === 64);
    stanzas.push({ type, fields, body: base64(body) });
    position = part.end;
  }
}

function readLine(file, start) {
  const end = file.indexOf("\n", start);
  check(end !== -1, "the age header has no end");
  return { text: file.toString("latin1", start, end), end: end + 1 };
}

function openStanza({ type, fields, body }, key) {
  if (type === "X25519" && key.identity !== undefined)
    return openX25519(fields, body, key.identity);
  if (type === "scrypt" && key.passphrase !== undefined)
    return openScrypt(fields, body, key.passphrase);
  return undefined;
}

function openX25519([share], body, identity) {
  const privateKey = privateKeyOf(identity);
  const publicKey = crypto.createPublicKey({
    key: Buffer.concat([Buffer.from("302a300506032b656e032100", "hex"), base64(share)]),
    format: "der",
    type: "spki",
  });
  const shared = crypto.diffieHellman({ privateKey, publicKey });
  const salt = Buffer.concat([base64(share), publicBytes(privateKey)]);
  return tryOpen(hkdf(shared, salt, "age-encryption.org/v1/X25519"), Buffer.alloc(12), body);
}

/** DER of an X25519 key (RFC 8410) is a fixed beginning and the 32 bytes. */
function privateKeyOf(identity) {
  const secret = decodeBech32(identity, "age-secret-key-");
  const key = Buffer.concat([Buffer.from("302e020100300506032b656e04220420", "hex"), secret]);
  return crypto.createPrivateKey({ key, format: "der", type: "pkcs8" });
}

function publicBytes(privateKey) {
  return crypto.createPublicKey(privateKey).export({ format: "der", type: "spki" }).subarray(-32);
}

function openScrypt([salt, logN], body, passphrase) {
  check(/^[1-9]\d?$/.test(logN) && Number(logN) <= 22, "the work factor of scrypt is too large");
  const N = 2 ** Number(logN);
  const label = Buffer.concat([Buffer.from("age-encryption.org/v1/scrypt"), base64(salt)]);
  const key = crypto.scryptSync(passphrase, label, 32, { N, r: 8, p: 1, maxmem: 2 * 128 * 8 * N });
  return tryOpen(key, Buffer.alloc(12), body);
}

/** 16 bytes of salt, then chunks of 64 KiB; the nonce counts them and marks the last one. */
function openPayload(fileKey, payload) {
  const key = hkdf(fileKey, payload.subarray(0, 16), "payload");
  const chunks = [];
  let position = 16;
  let last = false;
  for (let number = 0; !last; number += 1) {
    const end = Math.min(position + payloadChunk + tagBytes, payload.length);
    last = end === payload.length;
    const nonce = Buffer.alloc(12);
    nonce.writeUIntBE(number, 5, 6);
    nonce[11] = last ? 1 : 0;
    const chunk = tryOpen(key, nonce, payload.subarray(position, end));
    check(chunk !== undefined, "the age file's payload is damaged");
    chunks.push(chunk);
    position = end;
  }
  return Buffer.concat(chunks);
}

function tryOpen(key, nonce, sealed) {
  if (sealed.length < tagBytes) return undefined;
  const options = { authTagLength: tagBytes };
  const decipher = crypto.createDecipheriv("chacha20-poly1305", key, nonce, options);
  decipher.setAuthTag(sealed.subarray(-tagBytes));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(0, -tagBytes)), decipher.final()]);
  } catch {
    return undefined; // not this key
  }
}

/** Bech32 (BIP 173): after the last `1`, characters of 5 bits each; the last six are a checksum. */
function decodeBech32(text, expectedName) {
  const alphabet = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
  const [name, data] = text.toLowerCase().split(/1([^1]*)$/);
  check(name === expectedName && data !== undefined, `this is not ${expectedName}1…`);
  const digits = Array.from(data, (character) => alphabet.indexOf(character));
  const letters = Array.from(name, (character) => character.charCodeAt(0));
  const prefix = [...letters.map((code) => code >> 5), 0, ...letters.map((code) => code & 31)];
  const isRight = !digits.includes(-1) && bech32Checksum([...prefix, ...digits]) === 1;
  check(isRight, `${expectedName}1… is mistyped`);
  const bits = digits.slice(0, -6).map((digit) => digit.toString(2).padStart(5, "0"));
  const bytes = bits.join("").match(/.{8}/g) ?? [];
  check(bytes.length === 32, `${expectedName}1… has not 32 bytes`);
  return Buffer.from(bytes.map((byte) => Number.parseInt(byte, 2)));
}

function bech32Checksum(values) {
  const generator = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3];
  let sum = 1;
  for (const value of values) {
    const top = sum >>> 25;
    sum = ((sum & 0x1ffffff) << 5) ^ value;
    for (const [bit, polynomial] of generator.entries()) if ((top >>> bit) & 1) sum ^= polynomial;
  }
  return sum;
}

const base64 = (text) => Buffer.from(text, "base64");
const hkdf = (key, salt, info) => Buffer.from(crypto.hkdfSync("sha256", key, salt, info, 32));

function check(holds, message) {
  if (!holds) throw new Error(message);
}
