import {
  DecryptCommand,
  EncryptCommand,
  KMSClient,
  KMSServiceException,
} from "@aws-sdk/client-kms";
import { DbctlError } from "../../../core/errors.ts";
import { keyFailure } from "../key-failure.ts";
import type { KeyContext, KeyService } from "../key-service.ts";

/** A key of AWS KMS. */
export interface AwsKey {
  url: string;
  /** Id, ARN or `alias/name`. */
  keyId: string;
  region: string | undefined;
  endpoint: string | undefined;
}

/** Parses `awskms:///alias/name?region=…&endpoint=…`, or `awskms:///arn:aws:kms:…`. */
export function parseAwsKmsUrl(url: string): AwsKey {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const keyId = decodeURIComponent(parsed?.pathname.slice(1) ?? "");
  if (parsed === undefined || parsed.host !== "" || !/^[\w/:+=,.@-]{1,2048}$/.test(keyId))
    throw unusable(url, "it does not name a key");
  const known = ["region", "endpoint"];
  const other = [...parsed.searchParams.keys()].find((name) => !known.includes(name));
  if (other !== undefined) throw unusable(url, `"${other}" is no parameter of it`);
  const region = parsed.searchParams.get("region") ?? /^arn:[\w-]+:kms:([\w-]+):/.exec(keyId)?.[1];
  return { url, keyId, region, endpoint: parsed.searchParams.get("endpoint") ?? undefined };
}

/** Credentials come from where AWS's own tools take them. */
export function createAwsKeyService({ url, keyId, region, endpoint }: AwsKey): KeyService {
  const client = new KMSClient({
    maxAttempts: 3,
    ...(region === undefined ? {} : { region }),
    ...(endpoint === undefined ? {} : { endpoint }),
  });
  return {
    url,
    async wrap(plain, context, { signal }) {
      const command = new EncryptCommand({
        KeyId: keyId,
        Plaintext: plain,
        EncryptionContext: contextOf(context),
      });
      const { CiphertextBlob } = await client
        .send(command, { abortSignal: signal })
        .catch((cause: unknown) => rethrow("encrypt", url, { cause, signal }));
      if (CiphertextBlob === undefined) throw keyFailure("encrypt", url, { status: 502 });
      return Buffer.from(CiphertextBlob);
    },
    async unwrap(wrapped, context, { signal }) {
      const command = new DecryptCommand({
        KeyId: keyId,
        CiphertextBlob: wrapped,
        EncryptionContext: contextOf(context),
      });
      const { Plaintext } = await client
        .send(command, { abortSignal: signal })
        .catch((cause: unknown) => rethrow("decrypt", url, { cause, signal }));
      if (Plaintext === undefined) throw keyFailure("decrypt", url, { status: 502 });
      return Buffer.from(Plaintext);
    },
  };
}

/** AWS KMS Developer Guide, "Encryption context". */
function contextOf({ repository, recipient }: KeyContext): Record<string, string> {
  return { "dbctl:repository": repository, "dbctl:recipient": recipient };
}

function rethrow(
  act: "encrypt" | "decrypt",
  url: string,
  { cause, signal }: { cause: unknown; signal: AbortSignal },
): never {
  signal.throwIfAborted();
  if (cause instanceof KMSServiceException)
    throw keyFailure(act, url, {
      status: cause.$metadata.httpStatusCode,
      name: cause.name,
      cause,
    });
  // Of the SDK itself (@smithy/config-resolver), before anything is sent.
  if (cause instanceof Error && cause.message === "Region is missing")
    throw unusable(url, "neither it nor AWS_REGION names a region");
  const { name, code } = (cause ?? {}) as { name?: string; code?: string };
  const denied = name === "CredentialsProviderError";
  throw keyFailure(act, url, {
    status: denied ? 401 : undefined,
    ...(name === undefined ? {} : { name: code ?? name }),
    cause,
  });
}

function unusable(url: string, what: string): DbctlError {
  return new DbctlError("usage", `Cannot use ${JSON.stringify(url)} as a key: ${what}`, {
    remedy: "Write awskms:///alias/NAME?region=eu-central-1, or awskms:///ARN",
  });
}
