import { formatBytes, formatSeconds } from "./format.ts";
import { printable } from "./printable.ts";

/** Shares of the newest measurement in the moving average of the rate. */
const weight = 0.2;
const redrawMs = 100;
const plainLineMs = 10_000;

interface Clock {
  now(): number;
  /** Where progress goes: stderr, so that stdout stays the result's. */
  stream: { isTTY?: boolean; columns?: number; write(text: string): unknown };
}

const realClock: Clock = { now: () => performance.now(), stream: process.stderr };

/**
 * Shows how far long work is: one line that is redrawn on a terminal, a plain line every ten
 * seconds elsewhere. Disposing it leaves a clean line.
 */
export class Progress implements Disposable {
  readonly #clock: Clock;
  readonly #startedAt: number;
  #phase = "";
  #done = 0;
  #total: number | undefined;
  #rate = 0;
  #measuredAt: number;
  #shownAt: number;
  #drawn = false;

  constructor(clock: Clock = realClock) {
    this.#clock = clock;
    this.#startedAt = this.#measuredAt = this.#shownAt = clock.now();
  }

  /** Begins a phase of `total` bytes, or of unknown length. */
  begin(phase: string, total?: number): void {
    this.#phase = printable(phase);
    this.#done = 0;
    this.#rate = 0;
    this.#total = total;
    this.#measuredAt = this.#clock.now();
    if (this.#clock.stream.isTTY === true) this.#show();
  }

  add(bytes: number): void {
    const now = this.#clock.now();
    this.#done += bytes;
    const seconds = Math.max(now - this.#measuredAt, 1) / 1000;
    const rate = bytes / seconds;
    this.#rate = this.#rate === 0 ? rate : this.#rate * (1 - weight) + rate * weight;
    this.#measuredAt = now;
    const pause = this.#clock.stream.isTTY === true ? redrawMs : plainLineMs;
    if (now - this.#shownAt >= pause) this.#show();
  }

  #show(): void {
    const { stream } = this.#clock;
    this.#shownAt = this.#clock.now();
    const line = this.#line();
    if (stream.isTTY !== true) {
      stream.write(`${line}\n`);
      return;
    }
    this.#drawn = true;
    stream.write(`\r\u001b[K${line.slice(0, (stream.columns ?? 80) - 1)}`);
  }

  #line(): string {
    const elapsed = formatSeconds((this.#clock.now() - this.#startedAt) / 1000);
    if (this.#done === 0) return `${this.#phase} · ${elapsed}`;
    const rate = `${formatBytes(this.#rate)}/s`;
    if (this.#total === undefined || this.#total === 0)
      return `${this.#phase} · ${formatBytes(this.#done)} · ${rate} · ${elapsed}`;
    const share = Math.min(this.#done / this.#total, 1);
    const of = `${formatBytes(this.#done)} of ~${formatBytes(this.#total)}`;
    return `${this.#phase} · ${(share * 100).toFixed(0)} % · ${of} · ${rate} · ${this.#eta()}`;
  }

  /** The total of a backup is the catalog's estimate: never trusted to be exact. */
  #eta(): string {
    const left = (this.#total ?? 0) - this.#done;
    if (this.#done > 1.05 * (this.#total ?? 0)) return "longer than expected";
    return `ETA ~${formatSeconds(Math.max(left, 0) / Math.max(this.#rate, 1))}`;
  }

  [Symbol.dispose](): void {
    if (this.#drawn) this.#clock.stream.write("\r\u001b[K");
  }
}
