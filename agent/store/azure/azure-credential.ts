import { AnonymousCredential, StorageSharedKeyCredential } from "@azure/storage-blob";
import { DbctlError } from "../../../core/errors.ts";
import type { Secret } from "../../../core/secret.ts";
import { readVariable } from "../remote/read-variable.ts";
import type { AzurePlace } from "./azure-url.ts";
import { type ClientSecret, ServicePrincipal } from "./service-principal.ts";

/** How to prove to the service who we are. */
export interface AzureCredential {
  /** The variable it comes from, for messages. */
  source: string;
  credential: StorageSharedKeyCredential | AnonymousCredential | ServicePrincipal;
  /** Belongs to the address of every request. */
  sas?: Secret;
}

/**
 * Looks in the environment, the strongest first: the account's key, a shared access signature, a
 * service principal. Each secret may be in a file that `<NAME>_FILE` names.
 */
export async function findAzureCredential(
  { account }: AzurePlace,
  env: NodeJS.ProcessEnv,
): Promise<AzureCredential> {
  const key = await readVariable("AZURE_STORAGE_KEY", env);
  if (key !== undefined)
    return {
      source: "AZURE_STORAGE_KEY",
      credential: new StorageSharedKeyCredential(account, key.reveal()),
    };
  const sas = await readVariable("AZURE_STORAGE_SAS_TOKEN", env);
  if (sas !== undefined)
    return { source: "AZURE_STORAGE_SAS_TOKEN", credential: new AnonymousCredential(), sas };
  const secret = await readVariable("AZURE_CLIENT_SECRET", env);
  if (secret !== undefined) return principal(secret, env);
  throw new DbctlError("store-denied", `Cannot use account ${account}: no credentials were found`, {
    remedy:
      "Set AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN, or AZURE_TENANT_ID, AZURE_CLIENT_ID and " +
      "AZURE_CLIENT_SECRET (each secret also by a file that …_FILE names)",
  });
}

function principal(secret: Secret, env: NodeJS.ProcessEnv): AzureCredential {
  const { AZURE_TENANT_ID: tenant, AZURE_CLIENT_ID: client } = env;
  if (tenant === undefined || tenant === "" || client === undefined || client === "")
    throw new DbctlError("config-invalid", "Cannot use AZURE_CLIENT_SECRET: it belongs to nobody", {
      remedy: "Set AZURE_TENANT_ID and AZURE_CLIENT_ID as well",
    });
  const authority = env["AZURE_AUTHORITY_HOST"] || "https://login.microsoftonline.com";
  const of: ClientSecret = { authority, tenant, client, secret };
  return { source: "AZURE_CLIENT_SECRET", credential: new ServicePrincipal(of) };
}
