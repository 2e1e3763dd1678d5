import type { Db } from "../database/database.ts";
import { activeStates } from "./job-record.ts";

/** Tells many links which hosts have work, with one statement for all of them. */
export class WorkBoard {
  readonly #db: Db;
  readonly #now: () => Date;
  readonly #pollMs: number;
  #hosts: Promise<Set<string>> | undefined;
  #readAt = 0;

  /** What it says may be as old as `pollMs`. */
  constructor(db: Db, { now, pollMs }: { now: () => Date; pollMs: number }) {
    this.#db = db;
    this.#now = now;
    this.#pollMs = pollMs;
  }

  /** Whether a job is to be begun, or to be stopped, on the host. */
  async has(host: string): Promise<boolean> {
    if (this.#hosts === undefined || performance.now() - this.#readAt >= this.#pollMs) {
      this.#readAt = performance.now();
      this.#hosts = this.#read();
    }
    return (await this.#hosts).has(host);
  }

  async #read(): Promise<Set<string>> {
    const rows = await this.#db.all(
      `select host from jobs where state = 'queued' and not_before <= :now
       union
       select host from jobs where state in ('${activeStates.join("', '")}')
         and cancel_requested_by is not null`,
      { now: this.#now().toISOString() },
    );
    return new Set(rows.map((row) => String(row["host"])));
  }
}
