import {
  type BucketUrl,
  checkEndpoint,
  checkStorageClass,
  parseBucketUrl,
  unusable,
} from "../remote/bucket-url.ts";

/** What the URL of a repository in a container says. Holds no secret. */
export interface AzurePlace extends Pick<BucketUrl<never>, "url" | "prefix" | "retries"> {
  container: string;
  account: string;
  /** Of the account's blob service, without a slash at its end. */
  service: string;
  /** Of packs, which are most of the bytes. */
  tier?: (typeof storageClasses)[number];
}

/** Access tiers from which a blob can be read at once; those in Archive have to be thawed first. */
export const storageClasses = ["Hot", "Cool", "Cold"] as const;

const rules = {
  form: "azure://container/prefix?account=NAME",
  parameters: ["account", "endpoint", "storage-class", "insecure"],
  instead: "AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN or AZURE_CLIENT_SECRET",
} as const;

/** Parses `azure://container/prefix?account=…&endpoint=…`; the account may be in a variable. */
export function parseAzureUrl(url: string, env: NodeJS.ProcessEnv): AzurePlace {
  const { bucket: container, given, ...parsed } = parseBucketUrl(url, rules);
  if (!/^([a-z0-9](-?[a-z0-9]){2,62}|\$root)$/.test(container))
    throw unusable("it names no container", "Container names are 3 to 63 of a-z, 0-9 and -");
  const account = given.get("account") ?? env["AZURE_STORAGE_ACCOUNT"] ?? "";
  if (!/^[a-z0-9]{3,24}$/.test(account))
    throw unusable("it names no account", "Add ?account=NAME, or set AZURE_STORAGE_ACCOUNT");
  const endpoint = given.get("endpoint") ?? `https://${account}.blob.core.windows.net`;
  const tier = checkStorageClass(given.get("storage-class"), storageClasses);
  return {
    ...parsed,
    container,
    account,
    service: serviceOf(checkEndpoint(endpoint, given.get("insecure")), account),
    ...(tier === undefined ? {} : { tier }),
  };
}

/** A name of its own belongs to one account; behind an address the path names the account. */
function serviceOf(endpoint: URL, account: string): string {
  const isAddress = /^(localhost|[\d.]+|\[.*\])$/.test(endpoint.hostname);
  if (isAddress && endpoint.pathname === "/") endpoint.pathname = `/${account}`;
  return endpoint.href.replace(/\/+$/, "");
}
