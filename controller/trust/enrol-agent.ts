import { DbctlError } from "../../core/errors.ts";
import { newId } from "../../core/ids.ts";
import type { Secret } from "../../core/secret.ts";
import { recordEvent } from "../bus/outbox.ts";
import type { Db } from "../database/database.ts";
import type { CertificateAuthority, IssuedCertificate } from "./certificate-authority.ts";
import { keyOfRequest } from "./certificate-request.ts";
import { issueCertificate } from "./certificates.ts";
import { takeEnrolmentSecret } from "./enrolment-tokens.ts";

interface Enrolment {
  secret: Secret;
  host: string;
  /** PKCS#10, DER. */
  request: Uint8Array;
}

export interface TrustParts {
  db: Db;
  ca: CertificateAuthority;
  now: () => Date;
}

export const agentCertificateMs = 7 * 24 * 3600_000;

/**
 * Makes the host's agent known and gives its certificate. A name that an agent has is refused until
 * that agent is revoked; the next one then goes on with its id, and so with its history.
 */
export async function enrolAgent(
  { db, ca, now }: TrustParts,
  { secret, host, request }: Enrolment,
): Promise<IssuedCertificate & { agentId: string }> {
  checkHost(host);
  const publicKey = await keyOfRequest(request);
  return await db.transaction(async (inner) => {
    const at = now();
    const labels = await takeEnrolmentSecret(inner, { secret, host }, at);
    const agentId = await agentIdFor(inner, host);
    const endsAt = new Date(at.getTime() + agentCertificateMs);
    const order = { kind: "agent", subject: agentId, publicKey, now: at, endsAt } as const;
    const issued = await issueCertificate(inner, ca, order);
    await writeAgent(inner, { agentId, host, labels, issued, at });
    await recordEvent(inner, enrolled(host), at);
    return { ...issued, agentId };
  });
}

/** A new certificate for the same agent. The old one stays in force until its end. */
export async function renewAgent(
  { db, ca, now }: TrustParts,
  { agentId, request }: { agentId: string; request: Uint8Array },
): Promise<IssuedCertificate> {
  const publicKey = await keyOfRequest(request);
  return await db.transaction(async (inner) => {
    const at = now();
    const endsAt = new Date(at.getTime() + agentCertificateMs);
    const order = { kind: "agent", subject: agentId, publicKey, now: at, endsAt } as const;
    const issued = await issueCertificate(inner, ca, order);
    const changed = await inner.run(
      `update agents set certificate_serial = :serial, certificate_ends_at = :ends
       where id = :agentId and revoked_at is null`,
      { agentId, serial: issued.serial, ends: issued.endsAt.toISOString() },
    );
    if (changed === 1) return issued;
    throw new DbctlError("identity-wrong", "Cannot renew the certificate: the agent is revoked", {
      remedy: "Enrol the host again with a new token, if it is to be trusted again",
    });
  });
}

/** RFC 1123's names. They stand in subjects, file names and before the `/` of databases. */
const hostPattern =
  /^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$/;

function checkHost(host: string): void {
  if (host.length <= 253 && hostPattern.test(host)) return;
  const shown = JSON.stringify(host.slice(0, 80));
  throw new DbctlError("usage", `Cannot enrol ${shown}: it is no host name`, {
    remedy: "Use letters, digits, hyphens and dots; set `host` in the agent's configuration",
  });
}

async function agentIdFor(db: Db, host: string): Promise<string> {
  const row = await db.one("select id, revoked_at from agents where host = :host", { host });
  if (row === undefined) return newId();
  if (row["revoked_at"] !== null) return String(row["id"]);
  throw new DbctlError("access-denied", `Cannot enrol ${host}: another agent has this name`, {
    remedy: `If the host was set up anew, run \`dbctl agents revoke ${host}\` first`,
  });
}

interface NewAgent {
  agentId: string;
  host: string;
  labels: Record<string, string>;
  issued: IssuedCertificate;
  at: Date;
}

async function writeAgent(db: Db, { agentId, host, labels, issued, at }: NewAgent): Promise<void> {
  await db.run(
    `insert into agents (id, host, labels, enrolled_at, certificate_serial, certificate_ends_at)
     values (:agentId, :host, :labels, :at, :serial, :ends)
     on conflict (id) do update set labels = excluded.labels, enrolled_at = excluded.enrolled_at,
       certificate_serial = excluded.certificate_serial, revoked_at = null,
       certificate_ends_at = excluded.certificate_ends_at`,
    {
      agentId,
      host,
      labels: JSON.stringify(labels),
      at: at.toISOString(),
      serial: issued.serial,
      ends: issued.endsAt.toISOString(),
    },
  );
}

function enrolled(host: string) {
  return {
    id: newId(),
    type: "agent_enrolled",
    kind: "event",
    severity: "info",
    host,
    instance: "",
    database: "",
    message: `Agent ${host} has joined the fleet`,
    details: {},
  } as const;
}
