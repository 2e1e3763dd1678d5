import { isDeepStrictEqual } from "node:util";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { DbctlError } from "../core/errors.ts";
import { log } from "../core/log.ts";
import { pause } from "../core/run-service.ts";
import type {
  Instance,
  LinkRequestSchema,
  LinkResponse,
  Welcome,
} from "../proto/gen/dbctl/v1/agent_link_pb.ts";
import type { JobRunner } from "./jobs/job-runner.ts";
import type { Journal } from "./journal/journal.ts";

type RequestInit = MessageInitShape<typeof LinkRequestSchema>;

export interface LinkParts {
  /** Opens the stream to the controller. */
  open: (
    requests: AsyncIterable<RequestInit>,
    options: { signal: AbortSignal },
  ) => AsyncIterable<LinkResponse>;
  version: string;
  /** age public key of the agent. */
  recipient: string;
  journal: Journal;
  runner: Pick<JobRunner, "offer" | "stop">;
  /** What was seen last of the servers; another object when it has changed. */
  instances: () => readonly Instance[];
  now: () => Date;
}

/** How long the controller may take to greet. */
const welcomeMs = 30_000;
/** Instances are told at least this often. */
const instancesMs = 60_000;
/** After a cut, agents come back spread over so long: not all in one moment. */
const spreadMs = 2_000;

/**
 * Holds one link to the controller until it is cut: tells what happens, takes commands. Rejects
 * when it was never welcomed; resolves when a link that was good has ended.
 */
export async function holdLink(
  parts: LinkParts,
  { signal }: { signal: AbortSignal },
): Promise<void> {
  const ended = new AbortController();
  const link = new Link(parts, AbortSignal.any([signal, ended.signal]));
  try {
    for await (const { message } of parts.open(link.speak(), { signal })) link.take(message);
    throw cut();
  } catch (error) {
    if (!link.isWelcome || signal.aborted) throw error;
    const { code, message } = DbctlError.from(error);
    log.warn("link-cut", { code, message });
    await pause(Math.random() * spreadMs, signal);
  } finally {
    ended.abort(cut());
  }
}

class Link {
  readonly #parts: LinkParts;
  readonly #signal: AbortSignal;
  readonly #welcomed = new AbortController();
  #welcome: Welcome | undefined;
  #told: readonly Instance[];
  #toldAt = performance.now();

  constructor(parts: LinkParts, signal: AbortSignal) {
    this.#parts = parts;
    this.#signal = signal;
    this.#told = parts.instances();
  }

  get isWelcome(): boolean {
    return this.#welcome !== undefined;
  }

  /** Obeys one message of the controller. */
  take(message: LinkResponse["message"]): void {
    const { journal, runner } = this.#parts;
    if (message.case === "welcome") return this.#greet(message.value);
    if (!this.isWelcome) throw violated("it gives commands before its welcome");
    switch (message.case) {
      case "runJob":
        return runner.offer(message.value);
      case "stopJob":
        return runner.stop(message.value);
      case "eventsTaken":
        return journal.forget(message.value.sequence);
      case undefined:
        throw violated("it says what this agent does not understand");
    }
  }

  #greet(welcome: Welcome): void {
    log.info("link-up", { agent: welcome.agentId });
    this.#parts.journal.agree(welcome.lastSequence);
    this.#welcome = welcome;
    this.#welcomed.abort();
  }

  /** What the agent says: who it is, then what happens, and that it lives. */
  async *speak(): AsyncGenerator<RequestInit> {
    const { journal, version, recipient } = this.#parts;
    const hello = { version, recipient, instances: [...this.#told], jobs: journal.running() };
    yield { message: { case: "hello", value: { ...hello, hostTime: this.#hostTime() } } };
    const { lastSequence, heartbeatSeconds } = await this.#untilWelcome();
    const heartbeatMs = Math.min(Math.max(heartbeatSeconds, 1), 60) * 1000;
    let sent = lastSequence;
    let beatAt = performance.now();
    while (!this.#signal.aborted) {
      const events = journal.eventsAfter(sent);
      for (const event of events) {
        yield { message: { case: "jobEvent", value: event } };
        sent = event.sequence;
      }
      if (performance.now() >= beatAt) {
        beatAt = performance.now() + heartbeatMs;
        yield this.#heartbeat();
      } else if (events.length === 0) {
        // Nothing can be appended between the look above and this wait.
        const waitMs = beatAt - performance.now();
        await pause(waitMs, AbortSignal.any([this.#signal, journal.changed]));
      }
    }
  }

  async #untilWelcome(): Promise<Welcome> {
    await pause(welcomeMs, AbortSignal.any([this.#signal, this.#welcomed.signal]));
    this.#signal.throwIfAborted();
    if (this.#welcome !== undefined) return this.#welcome;
    throw violated(`it did not greet within ${welcomeMs / 1000} s`);
  }

  #heartbeat(): RequestInit {
    const seen = this.#parts.instances();
    const isNews =
      performance.now() - this.#toldAt >= instancesMs || !isDeepStrictEqual(seen, this.#told);
    if (isNews) [this.#told, this.#toldAt] = [seen, performance.now()];
    const instances = isNews ? [...seen] : [];
    const jobs = this.#parts.journal.running();
    const value = { hostTime: this.#hostTime(), jobs, instances };
    return { message: { case: "heartbeat", value } };
  }

  #hostTime() {
    return timestampFromDate(this.#parts.now());
  }
}

function cut(): DbctlError {
  return new DbctlError(
    "controller-unreachable",
    "Cannot keep the link: the controller has ended it",
    {
      remedy: "Nothing: the agent comes back by itself, and its jobs go on",
      retryable: true,
    },
  );
}

function violated(what: string): DbctlError {
  return new DbctlError("protocol-violated", `Cannot follow the controller: ${what}`, {
    remedy: "Bring agent and controller to one version",
  });
}
