import { DbctlError, type ErrorCode } from "../../core/errors.ts";

/** The error for a request to a key service that failed, by HTTP status and the service's code. */
export function keyFailure(
  act: "encrypt" | "decrypt",
  url: string,
  { status, name, cause }: { status: number | undefined; name?: string; cause?: unknown },
): DbctlError {
  const { code, remedy } = kindOf(status, name);
  const said = [status === undefined ? "no answer" : `HTTP ${status}`, name].filter(Boolean);
  return new DbctlError(code, `Cannot ${act} with ${url}: ${said.join(", ")}`, {
    remedy,
    retryable: code === "store-unreachable",
    cause,
  });
}

/** AWS KMS API reference, "Decrypt", errors: the bytes or the context are not what was encrypted. */
const wrong = new Set(["InvalidCiphertextException", "IncorrectKeyException"]);

function kindOf(status: number | undefined, name = ""): { code: ErrorCode; remedy: string } {
  if (status === undefined || status === 429 || status >= 500)
    return {
      code: "store-unreachable",
      remedy: "Check the network and that the key service is up (and unsealed), then try again",
    };
  if (wrong.has(name))
    return {
      code: "identity-wrong",
      remedy: "Check that the repository's list of recipients was not changed by hand",
    };
  if (status === 401 || status === 403 || /denied|unrecognizedclient|expired/i.test(name))
    return {
      code: "access-denied",
      remedy: "Check the credentials and their right to encrypt and decrypt with this key",
    };
  return { code: "config-invalid", remedy: "Check the key's URL and that the key is enabled" };
}
