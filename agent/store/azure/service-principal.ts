import { DbctlError } from "../../../core/errors.ts";
import type { Secret } from "../../../core/secret.ts";
import { remoteFailure } from "../remote/remote-failure.ts";

export interface ClientSecret {
  /** Where tokens are given, `https://login.microsoftonline.com`. */
  authority: string;
  tenant: string;
  client: string;
  secret: Secret;
}

interface Token {
  token: string;
  /** Milliseconds since 1970. */
  expiresOnTimestamp: number;
}

/** Changes a client's secret for tokens (OAuth 2.0, RFC 6749 section 4.4). The SDK keeps them. */
export class ServicePrincipal {
  readonly #of: ClientSecret;

  constructor(of: ClientSecret) {
    this.#of = of;
  }

  async getToken(scopes: string | string[], options?: { abortSignal?: unknown }): Promise<Token> {
    const { authority, tenant, client, secret } = this.#of;
    const url = `${authority.replace(/\/+$/, "")}/${encodeURIComponent(tenant)}/oauth2/v2.0/token`;
    const body = new URLSearchParams({
      grant_type: "client_credentials",
      client_id: client,
      client_secret: secret.reveal(),
      scope: [scopes].flat().join(" "),
    });
    const asked = { act: "sign in at", object: authority };
    const signal = options?.abortSignal as AbortSignal | undefined;
    const request = { method: "POST", body, ...(signal === undefined ? {} : { signal }) };
    const answer = await fetch(url, request).catch((cause: unknown) => {
      signal?.throwIfAborted();
      throw remoteFailure({ ...asked, cause });
    });
    if (answer.status === 400 || answer.status === 401) throw refused(authority, answer.status);
    if (!answer.ok) throw remoteFailure({ ...asked, status: answer.status, cause: undefined });
    const { access_token: token, expires_in: seconds } = (await answer.json()) as Granted;
    return { token, expiresOnTimestamp: Date.now() + Number(seconds) * 1000 };
  }
}

interface Granted {
  access_token: string;
  /** Seconds. */
  expires_in: number;
}

function refused(authority: string, status: number): DbctlError {
  return new DbctlError("store-denied", `Cannot sign in at ${authority}: HTTP ${status}`, {
    remedy:
      "Check AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET and whether it has expired",
  });
}
