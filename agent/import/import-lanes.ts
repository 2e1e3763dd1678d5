import type { ScriptSession } from "../engines/script-target.ts";

/** What is under way on a session, as far as it decides what may run beside it. */
export type Occupation = { kind: "rows" | "table"; table: string };

interface Lane {
  session: ScriptSession;
  busy: { occupation: Occupation; ended: Promise<void> } | undefined;
}

/**
 * Sessions that take what may run side by side: rows of any tables, and changes of tables that
 * nothing else is done with. After the first failure everything rejects with it.
 */
export class ImportLanes implements AsyncDisposable {
  readonly #lanes: Lane[];
  #failure: { reason: unknown } | undefined;

  constructor(sessions: ScriptSession[]) {
    this.#lanes = sessions.map((session) => ({ session, busy: undefined }));
  }

  get count(): number {
    return this.#lanes.length;
  }

  /** Begins work beside what is under way; resolves when it has begun, waits while it must. */
  async begin(
    occupation: Occupation,
    work: (session: ScriptSession) => Promise<void>,
  ): Promise<void> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure.reason;
      const free = this.#lanes.find(({ busy }) => busy === undefined);
      const isClear = this.#lanes.every(({ busy }) => mayMeet(busy?.occupation, occupation));
      if (free !== undefined && isClear) return this.#start(free, occupation, work);
      await Promise.race(this.#underWay());
    }
  }

  /** Runs work alone on the first session: what only one session may see stays there. */
  async alone(work: (session: ScriptSession) => Promise<void>): Promise<void> {
    await this.settle();
    const [first] = this.#lanes;
    if (first !== undefined) await work(first.session);
  }

  /** Runs work on every session, with nothing beside it. */
  async everywhere(work: (session: ScriptSession) => Promise<void>): Promise<void> {
    await this.settle();
    for (const { session } of this.#lanes) await work(session);
  }

  /** Waits until nothing is under way. */
  async settle(): Promise<void> {
    await Promise.all(this.#underWay());
    if (this.#failure !== undefined) throw this.#failure.reason;
  }

  /** A session in the middle of its work cuts it off. */
  async [Symbol.asyncDispose](): Promise<void> {
    await using stack = new AsyncDisposableStack();
    for (const { session } of this.#lanes) stack.use(session);
    await stack.disposeAsync();
    await Promise.all(this.#underWay());
  }

  #underWay(): Promise<void>[] {
    return this.#lanes.flatMap(({ busy }) => busy?.ended ?? []);
  }

  #start(
    lane: Lane,
    occupation: Occupation,
    work: (session: ScriptSession) => Promise<void>,
  ): void {
    const run = async () => {
      try {
        await work(lane.session);
      } catch (reason) {
        this.#failure ??= { reason };
      } finally {
        lane.busy = undefined;
      }
    };
    lane.busy = { occupation, ended: run() };
  }
}

function mayMeet(busy: Occupation | undefined, wanted: Occupation): boolean {
  if (busy === undefined || (busy.kind === "rows" && wanted.kind === "rows")) return true;
  return busy.table !== wanted.table;
}
