import type { FleetIdentity } from "../../core/fleet-identity.ts";
import { DbctlError } from "../../core/errors.ts";
import type { Role } from "../../core/grpc/peer.ts";
import { exportPrivateKey, makeCertificateRequest, makeKeyPair } from "../../core/x509/key-pair.ts";
import type { Db, Row } from "../database/database.ts";
import type { IssuedCertificate } from "./certificate-authority.ts";
import { keyOfRequest } from "./certificate-request.ts";
import { issueCertificate } from "./certificates.ts";
import type { TrustParts } from "./enrol-agent.ts";

export interface FleetUser {
  name: string;
  role: Role;
  createdAt: Date;
  revokedAt: Date | undefined;
}

interface NewUser {
  name: string;
  role: string;
  /** PKCS#10, DER. */
  request: Uint8Array;
}

const userCertificateMs = 365 * 24 * 3600_000;

/** Makes a user known and gives their certificate. A name is never given twice. */
export async function addUser(
  parts: TrustParts,
  user: NewUser,
  // Runs before the user is there for others; when it rejects, there is no such user.
  deliver: (issued: IssuedCertificate) => Promise<void> = async () => {},
): Promise<IssuedCertificate> {
  const { db, ca, now } = parts;
  const { name } = user;
  const role = parseRole(user);
  const publicKey = await keyOfRequest(user.request);
  return await db.transaction(async (inner) => {
    const at = now();
    if ((await readUser(inner, name)) !== undefined) throw taken(name);
    const endsAt = new Date(at.getTime() + userCertificateMs);
    const order = { kind: "user", subject: name, publicKey, now: at, endsAt } as const;
    const issued = await issueCertificate(inner, ca, order);
    await inner.run(
      `insert into users (name, role, certificate_serial, created_at)
       values (:name, :role, :serial, :at)`,
      { name, role, serial: issued.serial, at: at.toISOString() },
    );
    await deliver(issued);
    return issued;
  });
}

/** Makes the user whose key the controller itself makes: the first one. */
export async function createFirstUser(
  parts: TrustParts,
  { name, address }: { name: string; address: string },
  deliver: (identity: FleetIdentity) => Promise<void>,
): Promise<void> {
  const keys = await makeKeyPair();
  const [key, request] = [await exportPrivateKey(keys), await makeCertificateRequest(keys)];
  const ca = parts.ca.certificate;
  await addUser(parts, { name, role: "admin", request }, ({ certificate }) =>
    deliver({ format: 1, kind: "user", name, address, ca, certificate, key }),
  );
}

export async function listUsers(db: Db): Promise<FleetUser[]> {
  return (await db.all("select * from users order by name")).map(userFrom);
}

/** Takes all rights from a user; not from the last admin, or nobody could give any again. */
export async function revokeUser(db: Db, name: string, now: Date): Promise<FleetUser> {
  return await db.transaction(async (inner) => {
    const user = await readUser(inner, name);
    if (user === undefined)
      throw new DbctlError("host-unknown", `Cannot revoke ${name}: there is no such user`, {
        remedy: "See `dbctl users ls`",
      });
    const others = await inner.all(
      "select name from users where role = 'admin' and revoked_at is null and name <> :name",
      { name },
    );
    if (user.role === "admin" && others.length === 0) throw lastAdmin(name);
    await inner.run("delete from certificates where kind = 'user' and subject = :name", { name });
    await inner.run("update users set revoked_at = :at where name = :name and revoked_at is null", {
      name,
      at: now.toISOString(),
    });
    return { ...user, revokedAt: user.revokedAt ?? now };
  });
}

const roles: readonly string[] = ["viewer", "operator", "admin"] satisfies Role[];

function parseRole({ name, role }: NewUser): Role {
  if (!/^[a-z0-9][a-z0-9._-]{0,62}$/.test(name))
    throw new DbctlError("usage", `Cannot add ${JSON.stringify(name.slice(0, 80))}: no user name`, {
      remedy: "Use up to 63 small letters, digits, dots, hyphens and underscores",
    });
  if (roles.includes(role)) return role as Role;
  throw new DbctlError("usage", `Cannot add ${name}: ${JSON.stringify(role)} is no role`, {
    remedy: `Roles: ${roles.join(", ")}`,
  });
}

async function readUser(db: Db, name: string): Promise<FleetUser | undefined> {
  const row = await db.one("select * from users where name = :name", { name });
  return row === undefined ? undefined : userFrom(row);
}

function userFrom({ name, role, created_at: created, revoked_at: revoked }: Row): FleetUser {
  return {
    name: String(name),
    role: role as Role,
    createdAt: new Date(String(created)),
    revokedAt: typeof revoked === "string" ? new Date(revoked) : undefined,
  };
}

function taken(name: string): DbctlError {
  return new DbctlError(
    "target-exists",
    `Cannot add ${name}: there is or was a user of this name`,
    {
      remedy: "Choose another name: the audit log must not mean two people by one",
    },
  );
}

function lastAdmin(name: string): DbctlError {
  return new DbctlError("access-denied", `Cannot revoke ${name}: it is the last admin`, {
    remedy: "Add another admin first: dbctl users add <name> --role admin --out <file>",
  });
}
