import type { Db } from "../database/database.ts";

const keepDays = 30;

/** Removes what was published and delivered long ago; what still waits, and the dead, stay. */
export async function forgetTold(db: Db, now: Date): Promise<void> {
  const before = new Date(now.getTime() - keepDays * 24 * 3600_000).toISOString();
  await db.run("delete from outbox where published_at < :before", { before });
  await db.run("delete from deliveries where state = 'delivered' and next_attempt_at < :before", {
    before,
  });
}
