import { DbctlError } from "../../core/errors.ts";

const minuteMs = 60_000;
const mostAddresses = 10_000;

interface Minute {
  startedAt: number;
  refused: number;
}

/**
 * Counts the calls of strangers that were refused, by address: after so many in a minute no more
 * are looked at, and no more are written down, so that nobody fills the disk or guesses for long.
 */
export class RefusalLimit {
  readonly #perMinute: number;
  readonly #minutes = new Map<string, Minute>();

  constructor(perMinute: number) {
    this.#perMinute = perMinute;
  }

  /** Throws `busy` when the address (`host:port`) has been refused too often. */
  check(address: string, now: Date): void {
    const host = hostOf(address);
    if ((this.#current(host, now)?.refused ?? 0) < this.#perMinute) return;
    throw new DbctlError("busy", `Cannot accept calls from ${host}: too many were refused`, {
      remedy: "Wait a minute; correct what calls with a wrong token or certificate",
      retryable: true,
    });
  }

  /** Counts a refusal; false when it is one too many to be written down. */
  note(address: string, now: Date): boolean {
    const host = hostOf(address);
    const minute = this.#current(host, now) ?? { startedAt: now.getTime(), refused: 0 };
    if (this.#minutes.size >= mostAddresses) this.#forget(now);
    this.#minutes.set(host, minute);
    minute.refused++;
    // The first that is over the limit is still written: it says why no more follow.
    return minute.refused <= this.#perMinute + 1;
  }

  #current(host: string, now: Date): Minute | undefined {
    const minute = this.#minutes.get(host);
    return minute !== undefined && now.getTime() - minute.startedAt < minuteMs ? minute : undefined;
  }

  #forget(now: Date): void {
    for (const host of this.#minutes.keys())
      if (this.#current(host, now) === undefined) this.#minutes.delete(host);
  }
}

const hostOf = (address: string) => address.replace(/:\d+$/, "");
