import { DbctlError } from "../../core/errors.ts";
import { newId } from "../../core/ids.ts";
import { recordEvent } from "../bus/outbox.ts";
import type { Db } from "../database/database.ts";
import { verifyAudit } from "./verify-audit.ts";

/**
 * Reads the whole audit log and tells its newest hash, so that rows cut off at its end show by what
 * was told before; or tells that it is broken, and rejects.
 */
export async function tellAuditHead(db: Db, now: Date): Promise<void> {
  try {
    const { rows, head } = await verifyAudit(db);
    const message = `The audit log has ${rows} rows and is whole`;
    await tell(db, { type: "audit_head", severity: "info", message, details: { rows, head } }, now);
  } catch (error) {
    if (!(error instanceof DbctlError) || error.code !== "digest-mismatch") throw error;
    const { message } = error;
    await tell(db, { type: "audit_broken", severity: "critical", message, details: {} }, now);
    throw error;
  }
}

interface Told {
  type: string;
  severity: "info" | "critical";
  message: string;
  details: Record<string, string | number>;
}

async function tell(db: Db, told: Told, now: Date): Promise<void> {
  const place = { host: "", instance: "", database: "" };
  await recordEvent(db, { id: newId(), kind: "event", ...place, ...told }, now);
}
