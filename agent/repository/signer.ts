import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify } from "node:crypto";

/** A host's ed25519 key (RFC 8032). Both halves are 32 bytes in hexadecimal. */
export interface SigningKey {
  public: string;
  private: string;
}

export function generateSigningKey(): SigningKey {
  const { x = "", d = "" } = generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" });
  return { public: recode(x, "base64url", "hex"), private: recode(d, "base64url", "hex") };
}

/** 64 bytes. */
export function signBytes(key: SigningKey, bytes: Uint8Array): Buffer {
  const jwk = { ...publicJwk(key.public), d: recode(key.private, "hex", "base64url") };
  return sign(null, bytes, createPrivateKey({ key: jwk, format: "jwk" }));
}

export function isSignedBy(publicKey: string, bytes: Uint8Array, signature: Uint8Array): boolean {
  const key = createPublicKey({ key: publicJwk(publicKey), format: "jwk" });
  return verify(null, bytes, key, signature);
}

function publicJwk(publicKey: string) {
  return { kty: "OKP", crv: "Ed25519", x: recode(publicKey, "hex", "base64url") };
}

function recode(text: string, from: "hex" | "base64url", to: "hex" | "base64url"): string {
  return Buffer.from(text, from).toString(to);
}
