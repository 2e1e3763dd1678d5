import type { Job } from "../../proto/gen/dbctl/v1/jobs_pb.ts";
import { describeState, hasEnded, hasSucceeded } from "./format-job.ts";

const redrawMs = 100;
const plainLineMs = 10_000;
/** Jobs that are shown one by one on a terminal; the others are counted. */
const mostLines = 20;

interface Screen {
  now(): number;
  stream: { isTTY?: boolean; columns?: number; write(text: string): unknown };
}

const realScreen: Screen = { now: () => performance.now(), stream: process.stderr };

/**
 * Shows what becomes of several jobs: on a terminal one line for each that is under way, those that
 * have ended in one line together; elsewhere a line when one ends, and a count each ten seconds.
 */
export class JobBoard implements Disposable {
  readonly #screen: Screen;
  readonly #jobs = new Map<string, Job>();
  #drawn = 0;
  #shownAt = -Infinity;

  constructor(screen: Screen = realScreen) {
    this.#screen = screen;
    this.#shownAt = screen.stream.isTTY === true ? -Infinity : screen.now();
  }

  update(job: Job): void {
    const before = this.#jobs.get(job.id);
    this.#jobs.set(job.id, job);
    if (this.#screen.stream.isTTY === true) return this.#redraw(hasEnded(job));
    const isNews = hasEnded(job) && (before === undefined || !hasEnded(before));
    if (isNews) this.#write(`${job.database}: ${describeState(job)}`);
    if (this.#screen.now() - this.#shownAt < plainLineMs) return;
    this.#shownAt = this.#screen.now();
    this.#write(this.#summary());
  }

  /** A line that stays. */
  say(line: string): void {
    this.#erase();
    this.#write(line);
  }

  #redraw(isNow: boolean): void {
    const at = this.#screen.now();
    if (!isNow && at - this.#shownAt < redrawMs) return;
    this.#shownAt = at;
    const active = [...this.#jobs.values()].filter((job) => !hasEnded(job));
    const shown = active.slice(0, mostLines);
    const more = active.length - shown.length;
    const lines = [
      this.#summary(),
      ...shown.map((job) => `  ${job.database}: ${describeState(job)}`),
      ...(more > 0 ? [`  and ${more} more`] : []),
    ];
    this.#erase();
    for (const line of lines) this.#write(line.slice(0, (this.#screen.stream.columns ?? 80) - 1));
    this.#drawn = lines.length;
  }

  #summary(): string {
    const all = [...this.#jobs.values()];
    const ended = all.filter(hasEnded);
    const failed = ended.filter((job) => !hasSucceeded(job)).length;
    return `${ended.length} of ${all.length} done${failed > 0 ? `, ${failed} not well` : ""}`;
  }

  #write(line: string): void {
    this.#screen.stream.write(`${line}\n`);
  }

  #erase(): void {
    if (this.#drawn > 0) this.#screen.stream.write(`\u001b[${this.#drawn}A\r\u001b[J`);
    this.#drawn = 0;
  }

  [Symbol.dispose](): void {
    this.#erase();
  }
}
