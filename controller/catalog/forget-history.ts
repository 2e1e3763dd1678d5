import type { Db } from "../database/database.ts";

/** What is shown of the past, unless the operator says otherwise: a year, and some time to look. */
export const defaultHistoryDays = 400;

/** Rows of one step: others wait for the catalog meanwhile. */
const batch = 200;

/**
 * Removes the rows of backups that were removed that long ago, and of jobs that ended and belong to no
 * backup and no schedule any more. Gives their count.
 */
export async function forgetHistory(
  db: Db,
  { days = defaultHistoryDays }: { days?: number | undefined },
  now: Date,
): Promise<{ backups: number; jobs: number }> {
  const before = new Date(now.getTime() - days * 24 * 3600_000).toISOString();
  return {
    backups: await repeat(() => forgetBackups(db, before)),
    jobs: await repeat(() => forgetJobs(db, before)),
  };
}

async function repeat(step: () => Promise<number>): Promise<number> {
  let total = 0;
  for (;;) {
    const count = await step();
    total += count;
    if (count < batch) return total;
  }
}

async function forgetBackups(db: Db, before: string): Promise<number> {
  return await db.run(
    `delete from backups where id in
       (select id from backups where removed_at < :before limit ${batch})`,
    { before },
  );
}

/** What was counted of them stays counted: a counter that falls is one that began anew. */
function forgetJobs(db: Db, before: string): Promise<number> {
  return db.transaction(async (inner) => {
    const rows = await inner.all(
      `select id from jobs where created_at < :before and updated_at < :before
         and state in ('succeeded', 'failed', 'cancelled', 'lost')
         and not exists (select 1 from backups where job_id = jobs.id)
         and not exists (select 1 from schedule_runs where job_id = jobs.id)
       order by created_at limit ${batch}`,
      { before },
    );
    const ids = JSON.stringify(rows.map((row) => row["id"]));
    await inner.run(
      `insert into event_totals (type, object, total)
       select '${forgottenType}', database, count(*) from jobs
       where id in (select value from json_each(:ids)) and kind = 'backup' and state = 'cancelled'
       group by database
       on conflict (type, object) do update set total = total + excluded.total`,
      { ids },
    );
    await inner.run(
      "delete from job_attempts where job_id in (select value from json_each(:ids))",
      {
        ids,
      },
    );
    return await inner.run("delete from jobs where id in (select value from json_each(:ids))", {
      ids,
    });
  });
}

/** In the table of totals: cancelled backups whose jobs are forgotten. */
export const forgottenType = "backup_cancelled_forgotten";
