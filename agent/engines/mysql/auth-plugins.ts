import { createHash } from "node:crypto";
import { DbctlError } from "../../../core/errors.ts";
import type { Secret } from "../../../core/secret.ts";
import { signWithPassword } from "./ed25519.ts";

export interface AuthRequest {
  plugin: string;
  /** The server's random bytes. */
  seed: Buffer;
  password: Secret | undefined;
  /** Whether nobody can listen: TLS or a unix socket. */
  private: boolean;
}

/**
 * What the client answers to a plugin's first message (MySQL internals manual, "Authentication
 * Methods"; MariaDB manual, "Authentication Plugins").
 */
export function answerAuth({ plugin, seed, password, ...channel }: AuthRequest): Buffer {
  const secret = Buffer.from(password?.reveal() ?? "");
  switch (plugin) {
    case "mysql_native_password":
      return secret.length === 0 ? secret : nativeScramble(secret, seed);
    case "caching_sha2_password":
      return secret.length === 0 ? secret : sha2Scramble(secret, seed);
    case "sha256_password":
      return secret.length === 0 ? Buffer.alloc(1) : clearPassword(password, channel.private);
    case "client_ed25519":
      return signWithPassword(secret, seed.subarray(0, 32));
    case "auth_socket":
    case "unix_socket":
      return Buffer.alloc(0);
    default:
      throw new DbctlError(
        "engine-unsupported",
        `Cannot log in: the account uses the plugin "${plugin}", which dbctl does not speak`,
        {
          remedy:
            "Use an account with mysql_native_password, caching_sha2_password, ed25519 or unix_socket",
        },
      );
  }
}

/** The password itself, for the plugins that may ask for it on a channel nobody can listen to. */
export function clearPassword(password: Secret | undefined, isPrivate: boolean): Buffer {
  if (!isPrivate)
    throw new DbctlError(
      "engine-denied",
      "Cannot log in: the server asks for the password itself, and the connection is not encrypted",
      { remedy: "Use TLS (sslmode=verify-full) or the unix socket" },
    );
  return Buffer.from(`${password?.reveal() ?? ""}\0`);
}

/** SHA1(password) xor SHA1(seed, SHA1(SHA1(password))). */
function nativeScramble(secret: Buffer, seed: Buffer): Buffer {
  const once = hash("sha1", secret);
  return xor(once, hash("sha1", seed.subarray(0, 20), hash("sha1", once)));
}

/** SHA256(password) xor SHA256(SHA256(SHA256(password)), seed). */
function sha2Scramble(secret: Buffer, seed: Buffer): Buffer {
  const once = hash("sha256", secret);
  return xor(once, hash("sha256", hash("sha256", once), seed.subarray(0, 20)));
}

function hash(name: string, ...parts: Buffer[]): Buffer {
  const state = createHash(name);
  for (const part of parts) state.update(part);
  return state.digest();
}

function xor(a: Buffer, b: Buffer): Buffer {
  return Buffer.from(a.map((byte, n) => byte ^ (b[n] ?? 0)));
}
