import { DbctlError } from "../../../core/errors.ts";
import { nearestName } from "../../../core/nearest-name.ts";
import { isKeyName } from "../store-key.ts";
import { parseRetries, type RetryPolicy } from "./retry-policy.ts";

/** What all URLs of the form `scheme://bucket/prefix?name=value` say. Holds no secret. */
export interface BucketUrl<Parameter extends string> {
  /** As people wrote it. */
  url: string;
  bucket: string;
  /** Stands before every key; empty, or ends with `/`. */
  prefix: string;
  given: ReadonlyMap<Parameter, string>;
  retries: RetryPolicy;
}

export interface BucketUrlRules<Parameter extends string> {
  /** `azure://container/prefix`, for messages. */
  form: string;
  /** Besides `retries`. */
  parameters: readonly Parameter[];
  /** Which variables to set instead of a key in the URL. */
  instead: string;
}

/** Parses the URL; refuses keys in it, and parameters that nobody knows. */
export function parseBucketUrl<Parameter extends string>(
  url: string,
  { form, parameters, instead }: BucketUrlRules<Parameter>,
): BucketUrl<Parameter | "retries"> {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined || !/^[a-z0-9]+:\/\/[^/?#]/i.test(url))
    throw unusable("it is no URL of a bucket", `Write ${form}`);
  if (parsed.username !== "" || parsed.password !== "") throw keyInUrl(instead);
  if (parsed.hash !== "") throw unusable("it has a #", "Write %23 for it");
  const given = readParameters(parsed, [...parameters, "retries" as const], instead);
  const names = parsed.pathname.split("/").filter(Boolean);
  if (!names.every(isKeyName))
    throw unusable("its prefix has a character that is not allowed", "Use letters, digits, .-_=~+");
  return {
    url: url.replace(/\/+(?=\?|$)/, ""),
    bucket: parsed.host,
    prefix: names.map((name) => `${name}/`).join(""),
    given,
    retries: parseRetries(given.get("retries")),
  };
}

function readParameters<Parameter extends string>(
  { searchParams }: URL,
  parameters: readonly Parameter[],
  instead: string,
): Map<Parameter, string> {
  const given = new Map<Parameter, string>();
  for (const [name, value] of searchParams) {
    const known = parameters.find((one) => one === name);
    if (known === undefined && /key|secret|token|password|credential|^s(ig|as)$/i.test(name))
      throw keyInUrl(instead);
    if (known === undefined) throw unknownParameter(name, parameters);
    if (given.has(known)) throw unusable(`it says ${name} twice`, "Say it once");
    given.set(known, value);
  }
  return given;
}

const loopback = /^(localhost|127(\.\d+){3}|\[::1\])$/;

/** The address of a service; plain http only on this machine, or with `insecure=true`. */
export function checkEndpoint(endpoint: string, insecure: string | undefined): URL {
  const parsed = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  if (parsed === undefined || !/^https?:$/.test(parsed.protocol) || parsed.search !== "")
    throw unusable("its endpoint is no http address", "Write endpoint=https://host:port");
  if (parsed.username !== "" || parsed.password !== "")
    throw unusable("its endpoint has a password", "Take it out, and set it by a variable");
  if (insecure !== undefined && insecure !== "true" && insecure !== "false")
    throw unusable("insecure is neither true nor false", "Write insecure=true, or leave it out");
  if (parsed.protocol === "http:" && !loopback.test(parsed.hostname) && insecure !== "true")
    throw unusable(
      `${parsed.host} would be spoken to without TLS`,
      "Use https, or add insecure=true when nobody else is on that network",
    );
  return parsed;
}

/** The storage class of the URL: one from which an object can be read at once. */
export function checkStorageClass<Name extends string>(
  name: string | undefined,
  known: readonly Name[],
): Name | undefined {
  const found = known.find((one) => one === name);
  if (name === undefined || found !== undefined) return found;
  const near = nearestName(name, known);
  throw unusable(
    `backups in storage class ${JSON.stringify(name)} could not be read back at once`,
    near === undefined ? `Write one of ${known.join(", ")}` : `Did you mean ${near}?`,
  );
}

function unknownParameter(name: string, parameters: readonly string[]): DbctlError {
  const near = nearestName(name, parameters);
  return unusable(
    `it has an unknown parameter ${JSON.stringify(name)}`,
    near === undefined ? `There are ${parameters.join(", ")}` : `Did you mean ${near}?`,
  );
}

/** Neither the URL nor the key is repeated: both could end up in a log. */
function keyInUrl(instead: string): DbctlError {
  return new DbctlError("usage", "Cannot use the repository's URL: a key stands in it", {
    remedy: `Take it out and set ${instead}; the key may have been seen: make a new one`,
  });
}

export function unusable(what: string, remedy: string): DbctlError {
  return new DbctlError("usage", `Cannot use the repository's URL: ${what}`, { remedy });
}
