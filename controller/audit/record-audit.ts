import { createHash } from "node:crypto";
import type { Db, Row } from "../database/database.ts";

export interface AuditEntry {
  /** `admin:ann`, `agent:db7`, `nobody`. */
  actor: string;
  address: string;
  /** `AgentsService/RevokeAgent`. */
  call: string;
  /** JSON without secrets. */
  request: string;
  /** `ok`, `opened` for a stream, or an error's code and sentence. */
  result: string;
}

/** Adds a row whose hash covers it and, through the row before it, all rows before it. */
export async function recordAudit(db: Db, entry: AuditEntry, now: Date): Promise<void> {
  await db.transaction(async (inner) => {
    const last = await inner.one("select hash from audit order by position desc limit 1");
    const row = { at: now.toISOString(), ...entry, previous_hash: String(last?.["hash"] ?? "") };
    await inner.run(
      `insert into audit (at, actor, address, call, request, result, previous_hash, hash)
       values (:at, :actor, :address, :call, :request, :result, :previous_hash, :hash)`,
      { ...row, hash: hashOf(row) },
    );
  });
}

/** SHA-256 over the row's columns as a JSON list, so that no text can pass for two columns. */
export function hashOf(row: Row): string {
  const columns = ["at", "actor", "address", "call", "request", "result", "previous_hash"];
  const text = JSON.stringify(columns.map((column) => row[column]));
  return createHash("sha256").update(text).digest("hex");
}
