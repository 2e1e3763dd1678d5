import { DbctlError } from "../../core/errors.ts";
import { outboxOldestSeconds } from "../bus/outbox.ts";
import type { Db } from "../database/database.ts";

export interface Health {
  status: "healthy" | "warning" | "critical";
  checks: Check[];
}

interface Check {
  name: string;
  status: Health["status"];
  message: string;
}

/** Whether the controller itself can do its work. What the databases lack is told by alerts. */
export async function readHealth(db: Db, now: Date): Promise<Health> {
  const checks = [await checkCatalog(db), await checkOutbox(db, now), await checkDeliveries(db)];
  const worst = (["critical", "warning"] as const).find((status) =>
    checks.some((check) => check.status === status),
  );
  return { status: worst ?? "healthy", checks };
}

async function checkCatalog(db: Db): Promise<Check> {
  const check = (status: Check["status"], message: string) => ({
    name: "catalog",
    status,
    message,
  });
  try {
    // Writes nothing, yet takes the lock that writing needs.
    await db.transaction(async (inner) => await inner.one("select 1"));
    return check("healthy", "can be read and locked");
  } catch (error) {
    return check("critical", DbctlError.from(error).message);
  }
}

async function checkOutbox(db: Db, now: Date): Promise<Check> {
  return await guarded("outbox", async () => {
    const seconds = Math.round(await outboxOldestSeconds(db, now));
    const status = seconds > 600 ? "critical" : seconds > 60 ? "warning" : "healthy";
    return { status, message: `the oldest event waits ${seconds} s for the bus` };
  });
}

async function checkDeliveries(db: Db): Promise<Check> {
  return await guarded("webhooks", async () => {
    const row = await db.one(
      "select count(distinct channel) as count from deliveries where state = 'waiting' and attempts > 3",
    );
    const count = Number(row?.["count"] ?? 0);
    return { status: count > 0 ? "warning" : "healthy", message: `${count} do not answer` };
  });
}

/** A check that cannot be made is no good news. */
async function guarded(
  name: string,
  look: () => Promise<{ status: Check["status"]; message: string }>,
): Promise<Check> {
  try {
    return { name, ...(await look()) };
  } catch (error) {
    return { name, status: "critical", message: DbctlError.from(error).message };
  }
}
