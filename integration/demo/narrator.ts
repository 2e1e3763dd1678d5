import { formatBytes, formatSeconds, formatTable } from "../../cli/output/format.ts";

type Figures = { read?: number; stored?: number; new?: number; share?: number; seconds: number };

/**
 * Tells what the demo does while it does it, and sums it up: lines for people on stderr, so that
 * with `--once` the last line on stdout is one JSON document.
 */
export class Narrator {
  readonly #startedAt = performance.now();
  readonly #figures: { source: string; run: string; figures: Figures }[] = [];
  readonly #checks: { what: string; held: boolean }[] = [];
  readonly #interrupted: Promise<unknown>;
  #failure: string | undefined;

  /** `interrupted` resolves when a person wants no more. */
  constructor(interrupted: Promise<unknown>) {
    this.#interrupted = interrupted;
  }

  /** Does a step of the story. When it is interrupted, what it was making is cleared up first. */
  async step<T>(what: string, act: () => Promise<T>): Promise<T> {
    const startedAt = performance.now();
    if (process.stderr.isTTY) process.stderr.write(`  … ${what}`);
    const acting = act();
    const stopped = this.#interrupted.then(() => true);
    if ((await Promise.race([acting, stopped])) === true) {
      await dispose(await acting.catch(() => undefined));
      throw new Error("interrupted");
    }
    const result = await acting;
    const seconds = (performance.now() - startedAt) / 1000;
    if (process.stderr.isTTY) process.stderr.write("\r\u001b[K");
    console.error(`  ✔ ${what} (${formatSeconds(seconds)})`);
    return result;
  }

  note(line: string): void {
    console.error(`      ${line}`);
  }

  figure(source: string, run: string, figures: Figures): void {
    this.#figures.push({ source, run, figures });
    if (figures.read !== undefined && figures.stored !== undefined)
      this.note(`${formatBytes(figures.read)} read, ${formatBytes(figures.stored)} stored`);
  }

  check(what: string, held: boolean): void {
    this.#checks.push({ what, held });
    console.error(`  ${held ? "✔" : "✘"} ${what}`);
  }

  fail(error: unknown): void {
    this.#failure = error instanceof Error ? (error.stack ?? error.message) : String(error);
    console.error(`  ✘ ${this.#failure}`);
  }

  /** Prints the summary, the JSON line, and sets the exit code. */
  end(): void {
    const ok =
      this.#failure === undefined &&
      this.#checks.length > 0 &&
      this.#checks.every(({ held }) => held);
    const rows = this.#figures.map(({ source, run, figures }) => [
      source,
      run,
      figures.read === undefined ? "" : formatBytes(figures.read),
      figures.stored === undefined ? "" : formatBytes(figures.stored),
      figures.share === undefined ? "" : `${(figures.share * 100).toFixed(1)} %`,
      formatSeconds(figures.seconds),
    ]);
    const head = ["DATABASE", "RUN", "READ", "STORED", "OF FIRST", "TIME"];
    const seconds = (performance.now() - this.#startedAt) / 1000;
    console.error(["", ...formatTable([head, ...rows]), ""].join("\n"));
    console.error(ok ? `All of it held, in ${formatSeconds(seconds)}.` : "Not all of it held.");
    console.error("Next: `npm test`, or `cli/dbctl --help` for a database of your own.");
    const figures = this.#figures.map((one) => ({
      ...one.figures,
      source: one.source,
      run: one.run,
    }));
    const failure = this.#failure === undefined ? {} : { failure: this.#failure };
    console.log(JSON.stringify({ ok, seconds, checks: this.#checks, figures, ...failure }));
    process.exitCode = ok ? 0 : 1;
  }
}

async function dispose(made: unknown): Promise<void> {
  if (typeof made === "object" && made !== null && Symbol.asyncDispose in made)
    await (made as AsyncDisposable)[Symbol.asyncDispose]();
}
