import { createHash, randomBytes } from "node:crypto";
import { DbctlError } from "../../core/errors.ts";
import { Secret } from "../../core/secret.ts";
import type { Db, Row } from "../database/database.ts";

const maxTtlSeconds = 7 * 24 * 3600;

/** Makes a one-time secret; the catalog keeps only its hash. */
export async function createEnrolmentSecret(
  db: Db,
  { labels, ttlSeconds }: { labels: Record<string, string>; ttlSeconds: number },
  now: Date,
): Promise<{ secret: Secret; expiresAt: Date }> {
  if (ttlSeconds < 1 || ttlSeconds > maxTtlSeconds)
    throw new DbctlError("usage", `Cannot make a token: its life is ${ttlSeconds} s`, {
      remedy: "Choose from 1 second to 7 days",
    });
  const secret = new Secret(randomBytes(32).toString("base64url"));
  const expiresAt = new Date(now.getTime() + ttlSeconds * 1000);
  await db.run(
    `insert into enrolment_tokens (hash, labels, created_at, expires_at)
     values (:hash, :labels, :now, :expiresAt)`,
    {
      hash: hashOf(secret),
      labels: JSON.stringify(labels),
      now: now.toISOString(),
      expiresAt: expiresAt.toISOString(),
    },
  );
  return { secret, expiresAt };
}

/** Uses the secret up for the host; gives the labels it carries. Call it within a transaction. */
export async function takeEnrolmentSecret(
  db: Db,
  { secret, host }: { secret: Secret; host: string },
  now: Date,
): Promise<Record<string, string>> {
  const hash = hashOf(secret);
  const at = now.toISOString();
  const taken = await db.run(
    `update enrolment_tokens set used_at = :at, used_by = :host
     where hash = :hash and used_at is null and expires_at > :at`,
    { hash, host, at },
  );
  const row = await db.one("select * from enrolment_tokens where hash = :hash", { hash });
  if (taken !== 1 || row === undefined) throw refused(whyNot(row));
  return JSON.parse(String(row["labels"])) as Record<string, string>;
}

function whyNot(row: Row | undefined): string {
  if (row === undefined) return "the controller does not know it";
  if (row["used_at"] !== null) return `it was used at ${row["used_at"]} by "${row["used_by"]}"`;
  return `it ended at ${row["expires_at"]}`;
}

/** The secret has 256 random bits: a plain hash cannot be turned back. */
const hashOf = (secret: Secret) => createHash("sha256").update(secret.reveal()).digest("hex");

function refused(what: string): DbctlError {
  return new DbctlError("token-refused", `Cannot enrol with this token: ${what}`, {
    remedy: "Make a new one with `dbctl agents token`; each enrols one host, once",
  });
}
