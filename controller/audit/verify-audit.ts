import { DbctlError } from "../../core/errors.ts";
import type { Db, Row } from "../database/database.ts";
import { hashOf } from "./record-audit.ts";

const pageRows = 1000;

/**
 * Reads the whole log; gives the count of its rows and the newest hash. Rejects at the first row
 * that was changed, or before which one is missing. Rows cut off at the end do not show in the chain
 * itself: compare the newest hash with one that was noted elsewhere.
 */
export async function verifyAudit(db: Db): Promise<{ rows: number; head: string }> {
  let head = "";
  let rows = 0;
  for (;;) {
    const page = await db.all(
      "select * from audit where position > :after order by position limit :limit",
      { after: rows, limit: pageRows },
    );
    for (const row of page) {
      rows++;
      if (!fits(row, { head, position: rows })) throw broken(rows);
      head = String(row["hash"]);
    }
    if (page.length < pageRows) return { rows, head };
  }
}

/** Positions have no gaps: rows are added in transactions and never removed. */
function fits(row: Row, { head, position }: { head: string; position: number }): boolean {
  return (
    row["position"] === position && row["previous_hash"] === head && row["hash"] === hashOf(row)
  );
}

function broken(position: number): DbctlError {
  const what = `row ${position} is missing or was changed`;
  return new DbctlError("digest-mismatch", `Cannot trust the audit log: ${what}`, {
    remedy: "Find out who could write to the catalog; compare it with its last backup",
  });
}
