import { errorFields, log } from "../../core/log.ts";
import { runService } from "../../core/run-service.ts";
import type { Instance } from "../../proto/gen/dbctl/v1/agent_link_pb.ts";
import { type KnownInstance, lookAtInstances } from "./look-at-instances.ts";

const lookMs = 60_000;

/** What was last seen of the configured servers, looked at once a minute. */
export class SeenInstances {
  readonly #known: readonly KnownInstance[];
  #current: readonly Instance[] = [];

  constructor(known: readonly KnownInstance[]) {
    this.#known = known;
  }

  get current(): readonly Instance[] {
    return this.#current;
  }

  async look(signal: AbortSignal): Promise<void> {
    this.#current = await lookAtInstances(this.#known, { signal });
    for (const { name, error } of this.#current)
      if (error !== undefined) log.warn("instance-unseen", { instance: name, ...fieldsOf(error) });
  }

  /** Looks until the signal aborts. */
  async keepLooking(signal: AbortSignal): Promise<void> {
    const onFailure = (error: unknown) => log.error("look-failed", errorFields(error));
    await runService((step) => this.look(step), {
      idleMs: lookMs,
      maxDelayMs: lookMs,
      onFailure,
      signal,
    });
  }
}

function fieldsOf({ code, message }: { code: string; message: string }) {
  return { code, message };
}
