import type { FleetIdentity } from "../../core/fleet-identity.ts";
import type { Role } from "../../core/grpc/peer.ts";
import { exportPrivateKey, makeKeyPair } from "../../core/x509/key-pair.ts";
import type { Db } from "../database/database.ts";
import { issueCertificate } from "./certificates.ts";
import type { TrustParts } from "./enrol-agent.ts";

const userCertificateMs = 365 * 24 * 3600_000;

interface NewUser {
  name: string;
  role: Role;
  /** Where they will reach the controller, `host:port`. */
  address: string;
  /** Takes the only copy of the key. When it rejects, there is no such user. */
  deliver: (identity: FleetIdentity) => Promise<void>;
}

/** Makes a user and gives all that they need to log in. */
export async function createUser(
  { db, ca, now }: TrustParts,
  { name, role, address, deliver }: NewUser,
): Promise<void> {
  const keys = await makeKeyPair();
  const at = now();
  const endsAt = new Date(at.getTime() + userCertificateMs);
  const order = {
    kind: "user",
    subject: name,
    publicKey: keys.publicKey,
    now: at,
    endsAt,
  } as const;
  const key = await exportPrivateKey(keys);
  await db.transaction(async (inner) => {
    const { certificate, serial } = await issueCertificate(inner, ca, order);
    await inner.run(
      `insert into users (name, role, certificate_serial, created_at)
       values (:name, :role, :serial, :at)`,
      { name, role, serial, at: at.toISOString() },
    );
    await deliver({ format: 1, kind: "user", name, address, ca: ca.certificate, certificate, key });
  });
}

/** A new fleet has nobody who could let anybody in: its first admin is made by the controller. */
export async function hasUsers(db: Db): Promise<boolean> {
  return (await db.one("select 1 from users limit 1")) !== undefined;
}
