import { createHash } from "node:crypto";
import { isIP } from "node:net";
import { DbctlError } from "../../../core/errors.ts";
import type { Secret } from "../../../core/secret.ts";
import { keyFailure } from "../key-failure.ts";
import type { KeyContext, KeyService } from "../key-service.ts";

/** Where a key of HashiCorp Vault's transit engine is. */
export interface VaultKey {
  url: string;
  /** `https://host:8200`. */
  address: string;
  /** Path of the engine, `transit` unless mounted elsewhere. */
  mount: string;
  key: string;
}

/** Parses `vault://host:8200/transit/keys/NAME`; `?tls=false` only on this machine. */
export function parseVaultUrl(url: string): VaultKey {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const [, mount = "", key = ""] =
    /^\/([\w./-]+)\/keys\/([\w.-]+)$/.exec(parsed?.pathname ?? "") ?? [];
  if (parsed === undefined || parsed.host === "" || key === "" || parsed.username !== "")
    throw unusable(url, "it does not name a key of a transit engine");
  const tls = parsed.searchParams.get("tls") !== "false";
  if (!tls && !isLoopback(parsed.hostname))
    throw unusable(url, "without TLS the token is for all to read");
  return { url, address: `${tls ? "https" : "http"}://${parsed.host}`, mount, key };
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "[::1]" || (isIP(host) === 4 && host.startsWith("127."));
}

/** API: "Transit secrets engine (API)", Encrypt data and Decrypt data. */
export function createVaultKeyService(
  { url, address, mount, key }: VaultKey,
  token: Secret,
): KeyService {
  const ask = async (act: "encrypt" | "decrypt", body: object, signal: AbortSignal) => {
    const answer = await request(`${address}/v1/${mount}/${act}/${key}`, {
      method: "POST",
      headers: { "X-Vault-Token": token.reveal(), "Content-Type": "application/json" },
      body: JSON.stringify(body),
      redirect: "error",
      signal,
    }).catch((cause: unknown) => {
      signal.throwIfAborted();
      throw keyFailure(act, url, { status: undefined, cause });
    });
    if (!answer.ok) throw await refused(act, url, answer);
    return ((await answer.json()) as { data?: Record<string, unknown> }).data ?? {};
  };
  return {
    url,
    async wrap(plain, context, { signal }) {
      const plaintext = Buffer.from(plain).toString("base64");
      const { ciphertext } = await ask("encrypt", { plaintext, ...bound(context) }, signal);
      if (typeof ciphertext !== "string") throw keyFailure("encrypt", url, { status: 502 });
      return Buffer.from(ciphertext);
    },
    async unwrap(wrapped, context, { signal }) {
      const ciphertext = Buffer.from(wrapped).toString();
      const { plaintext } = await ask("decrypt", { ciphertext, ...bound(context) }, signal);
      if (typeof plaintext !== "string") throw keyFailure("decrypt", url, { status: 502 });
      return Buffer.from(plaintext, "base64");
    },
  };
}

/** Vault binds AEAD keys to `associated_data`. */
function bound({ repository, recipient }: KeyContext): { associated_data: string } {
  const hash = createHash("sha256").update(`dbctl/1/kms\n${repository}\n${recipient}`).digest();
  return { associated_data: hash.toString("base64") };
}

/** Vault answers 400 both to a malformed request and to bytes that it cannot decrypt. */
async function refused(
  act: "encrypt" | "decrypt",
  url: string,
  answer: Response,
): Promise<DbctlError> {
  const body = await answer.text().catch(() => "");
  const isWrong = answer.status === 400 && act === "decrypt" && body.includes("ciphertext");
  const name = isWrong ? "InvalidCiphertextException" : undefined;
  return keyFailure(act, url, { status: answer.status, ...(name === undefined ? {} : { name }) });
}

/** A key service answers soon or not at all. */
const waitMs = 30_000;

async function request(
  url: string,
  init: RequestInit & { signal: AbortSignal },
): Promise<Response> {
  return await fetch(url, {
    ...init,
    signal: AbortSignal.any([init.signal, AbortSignal.timeout(waitMs)]),
  });
}

function unusable(url: string, what: string): DbctlError {
  return new DbctlError("usage", `Cannot use ${JSON.stringify(url)} as a key: ${what}`, {
    remedy: "Write vault://host:8200/transit/keys/NAME",
  });
}
