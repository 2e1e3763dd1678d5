import { DbctlError } from "../../core/errors.ts";
import { listAgents } from "../agents/list-agents.ts";
import { verifyAudit } from "../audit/verify-audit.ts";
import { outboxOldestSeconds } from "../bus/outbox.ts";
import { readDatabases } from "../catalog/read-databases.ts";
import type { Db } from "../database/database.ts";
import { type RecoverabilityState, recoverability } from "../recoverability/recoverability.ts";

export interface Health {
  status: "healthy" | "warning" | "critical";
  checks: Check[];
}

interface Check {
  name: string;
  status: Health["status"];
  message: string;
}

/**
 * Whether the controller itself can do its work. What its fleet lacks is told by alerts, and here
 * only when asked for (`deep`): a service manager must not restart a controller for that.
 */
export async function readHealth(db: Db, now: Date, { deep = false } = {}): Promise<Health> {
  const checks = [await checkCatalog(db), await checkOutbox(db, now), await checkDeliveries(db)];
  if (deep)
    checks.push(
      await guarded("databases", () => lookAtDatabases(db, now)),
      await guarded("agents", () => lookAtAgents(db, now)),
      await guarded("certificates", () => lookAtCertificates(db, now)),
      await guarded("audit", () => lookAtAudit(db)),
    );
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

type Finding = Omit<Check, "name">;

async function lookAtDatabases(db: Db, now: Date): Promise<Finding> {
  const databases = await readDatabases(db);
  const states = databases.map(({ coverage }) => recoverability(coverage, now).state);
  const count = (state: RecoverabilityState) => states.filter((one) => one === state).length;
  const violated = count("violated");
  const late = count("warning");
  const message = `of ${states.length} databases ${violated} violate their RPO, ${late} are near it, ${count("unmanaged")} have no policy`;
  return { status: violated > 0 ? "critical" : late > 0 ? "warning" : "healthy", message };
}

async function lookAtAgents(db: Db, now: Date): Promise<Finding> {
  const states = (await listAgents(db, now)).map(({ state }) => state);
  const count = (wanted: string) => states.filter((state) => state === wanted).length;
  const [offline, late] = [count("offline"), count("late")];
  const status = offline > 0 ? "critical" : late > 0 ? "warning" : "healthy";
  return {
    status,
    message: `${offline} agents are offline, ${late} late, ${count("online")} online`,
  };
}

const certificateWarningMs = 48 * 3600_000;

async function lookAtCertificates(db: Db, now: Date): Promise<Finding> {
  const soon = (await listAgents(db, now)).filter(
    ({ state, certificateEndsAt }) =>
      state !== "revoked" && certificateEndsAt.getTime() - now.getTime() < certificateWarningMs,
  );
  const message = `${soon.length} certificates of agents end within 48 h`;
  return { status: soon.length > 0 ? "warning" : "healthy", message };
}

async function lookAtAudit(db: Db): Promise<Finding> {
  await verifyAudit(db);
  return { status: "healthy", message: "the chain of the audit log is whole" };
}

/** A check that cannot be made is no good news. */
async function guarded(name: string, look: () => Promise<Omit<Check, "name">>): Promise<Check> {
  try {
    return { name, ...(await look()) };
  } catch (error) {
    return { name, status: "critical", message: DbctlError.from(error).message };
  }
}
