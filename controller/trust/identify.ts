import type { PeerCertificate } from "node:tls";
import { DbctlError } from "../../core/errors.ts";
import type { CallInfo, Identity, Role } from "../../core/grpc/peer.ts";
import type { Db, Row } from "../database/database.ts";
import { callName, mayCall, permissionOf } from "./permissions.ts";

/**
 * Finds out who calls and refuses who may not. TLS has already set aside certificates that the CA
 * did not sign; whether one is in force is decided here, by the catalog and the controller's clock.
 */
export async function identify(db: Db, { method, peer }: CallInfo, now: Date): Promise<Identity> {
  const permission = permissionOf(method);
  if (permission === "anybody") return { kind: "none" };
  if (peer.certificate === undefined) throw unknownCaller("it shows no certificate of this fleet");
  const identity = await identityOf(db, peer.certificate, now);
  if (mayCall(identity, permission)) return identity;
  throw new DbctlError("access-denied", `Cannot call ${callName(method)}: ${whoIs(identity)}`, {
    remedy: `It needs ${permission === "agent" ? "an agent" : `the role ${permission}`}`,
  });
}

/** `admin:ann`, `agent:db7`, `nobody`: how the audit log names a caller. */
export function actorOf(identity: Identity): string {
  if (identity.kind === "agent") return `agent:${identity.name}`;
  return identity.kind === "user" ? `${identity.role}:${identity.name}` : "nobody";
}

const whoIs = (identity: Identity) => `the caller is ${actorOf(identity)}`;

async function identityOf(db: Db, shown: PeerCertificate, now: Date): Promise<Identity> {
  const serial = shown.serialNumber;
  const row = await db.one(
    `select c.kind, c.subject, c.ends_at, u.role, a.host,
       coalesce(u.revoked_at, a.revoked_at) as revoked_at
     from certificates c
     left join users u on c.kind = 'user' and u.name = c.subject
     left join agents a on c.kind = 'agent' and a.id = c.subject
     where c.serial = :serial`,
    { serial },
  );
  if (row === undefined) throw unknownCaller("its certificate is revoked or not of this fleet");
  if (row["revoked_at"] !== null) throw unknownCaller("it was revoked");
  if (String(row["ends_at"]) <= now.toISOString())
    throw unknownCaller(`its certificate ended at ${row["ends_at"]}`);
  return identityFrom(row, serial);
}

function identityFrom({ kind, subject, role, host }: Row, serial: string): Identity {
  if (kind === "agent" && typeof host === "string")
    return { kind, id: String(subject), name: host, serial };
  if (kind === "user" && typeof role === "string")
    return { kind, name: String(subject), role: role as Role, serial };
  throw unknownCaller("nobody has its certificate any more");
}

function unknownCaller(what: string): DbctlError {
  return new DbctlError("identity-wrong", `Cannot accept the caller: ${what}`, {
    remedy: "Hosts: enrol with a new token. People: run `dbctl login` with a valid identity file",
  });
}
