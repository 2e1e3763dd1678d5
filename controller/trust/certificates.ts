import type { Db } from "../database/database.ts";
import type { CertificateAuthority, CertificateOrder } from "./certificate-authority.ts";

/** Signs a certificate for a caller and lists it: only what is listed is accepted. */
export async function issueCertificate(
  db: Db,
  ca: CertificateAuthority,
  order: CertificateOrder & { kind: "agent" | "user" },
) {
  const issued = await ca.sign(order);
  await db.run(
    `insert into certificates (serial, kind, subject, issued_at, ends_at)
     values (:serial, :kind, :subject, :now, :endsAt)`,
    {
      serial: issued.serial,
      kind: order.kind,
      subject: order.subject,
      now: order.now.toISOString(),
      endsAt: issued.endsAt.toISOString(),
    },
  );
  return issued;
}
