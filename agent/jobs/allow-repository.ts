import { DbctlError } from "../../core/errors.ts";

/**
 * Refuses a repository that the host's own configuration does not name: a controller that was
 * taken over must not have backups sealed to keys of its own (SEC-08).
 */
export function allowRepository(url: string, allowed: readonly string[] | undefined): void {
  if (allowed === undefined) return;
  const asked = URL.canParse(url) ? new URL(url).href : "";
  if (allowed.some((one) => asked === one || asked.startsWith(one.replace(/\/?$/, "/")))) return;
  throw new DbctlError("access-denied", `Cannot use repository ${url}: this host may not`, {
    remedy: `Allowed in its agent.yaml: ${allowed.join(", ")}`,
  });
}
