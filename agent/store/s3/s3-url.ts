import { DbctlError } from "../../../core/errors.ts";
import { nearestName } from "../../../core/nearest-name.ts";
import { parseRetries, type RetryPolicy } from "../remote/retry-policy.ts";
import { isKeyName } from "../store-key.ts";

/** What the URL of a repository in a bucket says. Holds no secret. */
export interface S3Place {
  /** As people wrote it. */
  url: string;
  bucket: string;
  /** Stands before every key; empty, or ends with `/`. */
  prefix: string;
  /** Undefined: Amazon's own, by region. */
  endpoint?: string;
  /** Undefined: what AWS_REGION or the profile says. */
  region?: string;
  /** `endpoint/bucket/key`, instead of `bucket.endpoint/key`. */
  pathStyle: boolean;
  /**
   * Whether a request to create may say `If-None-Match`. Without, the bucket has to keep versions:
   * the first one is then the object.
   */
  conditionalPut: boolean;
  /** Of packs, which are most of the bytes. */
  storageClass?: string;
  retries: RetryPolicy;
}

/**
 * Storage classes from which an object can be read at once. The others would have to be thawed
 * before a restore.
 */
export const storageClasses = [
  "STANDARD",
  "STANDARD_IA",
  "ONEZONE_IA",
  "INTELLIGENT_TIERING",
  "GLACIER_IR",
  "REDUCED_REDUNDANCY",
] as const;

const parameters = [
  "endpoint",
  "region",
  "path-style",
  "conditional-put",
  "storage-class",
  "retries",
  "tls",
  "insecure",
] as const;
type Parameter = (typeof parameters)[number];

/** Parses `s3://bucket/prefix`, `minio://host:port/bucket/prefix`, `b2://bucket/prefix`. */
export function parseS3Url(url: string, env: NodeJS.ProcessEnv): S3Place {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined || !/^(s3|minio|b2):\/\/[^/?#]/i.test(url))
    throw unusable(url, "it is no URL of a bucket");
  if (parsed.username !== "" || parsed.password !== "") throw keyInUrl();
  if (parsed.hash !== "") throw unusable(url, "a # in it has to be written %23");
  const given = readParameters(parsed);
  const names = decode(url, parsed.pathname).split("/").filter(Boolean);
  const isMinio = parsed.protocol === "minio:";
  const [bucket = "", ...folders] = isMinio ? names : [parsed.host, ...names];
  if (!/^[a-z0-9][\w.-]{1,253}$/i.test(bucket)) throw unusable(url, "it names no bucket");
  if (!folders.every(isKeyName))
    throw unusable(url, "its prefix has other characters than letters, digits and .-_=~+");
  const endpoint = endpointOf(parsed, given, env);
  const region = given.get("region") ?? regionOf(parsed.protocol, endpoint, env);
  const storageClass = given.get("storage-class");
  if (storageClass !== undefined) assertStorageClass(storageClass);
  return {
    url: url.replace(/\/+(?=\?|$)/, ""),
    bucket,
    prefix: folders.map((name) => `${name}/`).join(""),
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(region === undefined ? {} : { region }),
    pathStyle: flag("path-style", given) ?? endpoint !== undefined,
    // Backblaze refuses conditions, and always keeps versions.
    conditionalPut: flag("conditional-put", given) ?? parsed.protocol !== "b2:",
    ...(storageClass === undefined ? {} : { storageClass }),
    retries: parseRetries(given.get("retries")),
  };
}

function readParameters({ searchParams }: URL): Map<Parameter, string> {
  const given = new Map<Parameter, string>();
  for (const [name, value] of searchParams) {
    const known = parameters.find((one) => one === name);
    if (known === undefined && /key|secret|token|password|credential/i.test(name)) throw keyInUrl();
    if (known === undefined) throw unknownParameter(name);
    if (given.has(known)) throw usage(`it says ${name} twice`, "Say it once");
    given.set(known, value);
  }
  return given;
}

/** The address to talk to. Plain http would let anybody on the way read names and change answers. */
function endpointOf(
  { protocol, host }: URL,
  given: Map<Parameter, string>,
  env: NodeJS.ProcessEnv,
): string | undefined {
  const written = given.get("endpoint");
  if (protocol === "minio:") {
    if (written !== undefined)
      throw usage("minio:// names its server itself", "Leave endpoint= out, or write s3://");
    const isPlain = flag("tls", given) === false;
    return checkEndpoint(`${isPlain ? "http" : "https"}://${host}`, given);
  }
  if (given.has("tls")) throw usage("tls= belongs to minio://", "Write endpoint=http://… or https");
  if (written !== undefined) return checkEndpoint(written, given);
  const region = given.get("region") ?? env["AWS_REGION"];
  if (protocol === "b2:") {
    if (region === undefined)
      throw usage("it names no region", "Add ?region=…, the second word of the bucket's endpoint");
    return checkEndpoint(`https://s3.${region}.backblazeb2.com`, given);
  }
  const usual = env["AWS_ENDPOINT_URL_S3"] || env["AWS_ENDPOINT_URL"];
  return usual === undefined || usual === "" ? undefined : checkEndpoint(usual, given);
}

const loopback = /^(localhost|127(\.\d+){3}|\[::1\])$/;

function checkEndpoint(endpoint: string, given: Map<Parameter, string>): string {
  const parsed = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  const fits = parsed !== undefined && /^https?:$/.test(parsed.protocol) && parsed.search === "";
  if (!fits) throw usage("its endpoint is no http address", "Write endpoint=https://host:port");
  if (parsed.username !== "" || parsed.password !== "") throw keyInUrl();
  const isOpen = parsed.protocol === "http:" && !loopback.test(parsed.hostname);
  if (isOpen && flag("insecure", given) !== true)
    throw usage(
      `${parsed.host} would be spoken to without TLS`,
      "Use https, or add insecure=true when nobody else is on that network",
    );
  return endpoint.replace(/\/+$/, "");
}

/** Servers that are not Amazon's take any region, but want one to be named. */
function regionOf(protocol: string, endpoint: string | undefined, env: NodeJS.ProcessEnv) {
  const usual = env["AWS_REGION"] || env["AWS_DEFAULT_REGION"];
  if (usual !== undefined && usual !== "") return usual;
  return endpoint === undefined && protocol === "s3:" ? undefined : "us-east-1";
}

function flag(name: Parameter, given: Map<Parameter, string>): boolean | undefined {
  const value = given.get(name);
  if (value === undefined) return undefined;
  if (value !== "true" && value !== "false")
    throw usage(`${name} is neither true nor false`, `Write ${name}=true or ${name}=false`);
  return value === "true";
}

function assertStorageClass(name: string): void {
  if (storageClasses.some((one) => one === name)) return;
  const near = nearestName(name, storageClasses);
  const remedy =
    near === undefined ? `Write one of ${storageClasses.join(", ")}` : `Did you mean ${near}?`;
  throw usage("backups in that storage class could not be read back at once", remedy);
}

function decode(url: string, path: string): string {
  try {
    return decodeURIComponent(path);
  } catch (cause) {
    throw unusable(url, "a % in it is not followed by two digits of a character's code", cause);
  }
}

function unknownParameter(name: string): DbctlError {
  const near = nearestName(name, parameters);
  return usage(
    `it has an unknown parameter ${JSON.stringify(name)}`,
    near === undefined ? `There are ${parameters.join(", ")}` : `Did you mean ${near}?`,
  );
}

/** Neither the URL nor the key is repeated: both could end up in a log. */
function keyInUrl(): DbctlError {
  return new DbctlError("usage", "Cannot use the repository's URL: a key stands in it", {
    remedy:
      "Take it out and set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; " +
      "the key may have been seen: make a new one",
  });
}

function usage(what: string, remedy: string): DbctlError {
  return new DbctlError("usage", `Cannot use the repository's URL: ${what}`, { remedy });
}

function unusable(url: string, what: string, cause?: unknown): DbctlError {
  const shown = JSON.stringify(url.replace(/:[^/@]*@/, ":…@").replace(/\?.*$/, ""));
  return new DbctlError("usage", `Cannot use ${shown} as a repository: ${what}`, {
    remedy: "Write s3://bucket/prefix, minio://host:port/bucket/prefix or b2://bucket/prefix",
    cause,
  });
}
