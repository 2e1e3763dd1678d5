import { DbctlError } from "../../core/errors.ts";
import type { OpenCalls } from "../../core/grpc/open-calls.ts";
import type { Identity } from "../../core/grpc/peer.ts";
import { newId } from "../../core/ids.ts";
import { recordEvent } from "../bus/outbox.ts";
import type { Db } from "../database/database.ts";

type AgentIdentity = Identity & { kind: "agent" };

interface GuardParts {
  db: Db;
  now: () => Date;
  calls: OpenCalls;
}

/** A link that was cut is noticed within 20 s; two that go on side by side are two machines. */
const clonedMs = 60_000;

/**
 * Lets each agent have one link. The newer of two is refused: it may be an agent that comes back
 * before its cut link was noticed, and then tries again; or a copied machine with the same key, and
 * then, after a minute of trying, people are told, once an hour.
 */
export class LinkGuard {
  readonly #parts: GuardParts;
  /** By agent: since when a second link is asked for, and when that was told. */
  readonly #rivals = new Map<string, { since: number; toldAt: number }>();

  constructor(parts: GuardParts) {
    this.#parts = parts;
  }

  /** Rejects with `busy` while another link of the agent is open. */
  async admit(agent: AgentIdentity, address: string): Promise<void> {
    const open = this.#parts.calls.has((other) => other.kind === "agent" && other.id === agent.id);
    if (!open) {
      this.#rivals.delete(agent.id);
      return;
    }
    await this.#noteRival(agent, address);
    throw new DbctlError("busy", `Cannot open a link of ${agent.name}: it has another one`, {
      remedy: "If this machine was copied from another one, enrol it under a name of its own",
      retryable: true,
    });
  }

  async #noteRival({ id, name }: AgentIdentity, address: string): Promise<void> {
    const { db, now } = this.#parts;
    const at = now().getTime();
    const rival = this.#rivals.get(id) ?? { since: at, toldAt: -Infinity };
    this.#rivals.set(id, rival);
    if (at - rival.since < clonedMs || at - rival.toldAt < 3600_000) return;
    rival.toldAt = at;
    await recordEvent(db, cloned(name, address), now());
  }
}

function cloned(host: string, address: string) {
  return {
    id: newId(),
    type: "agent_duplicated",
    kind: "event",
    severity: "error",
    host,
    instance: "",
    database: "",
    message: `Two machines say that they are ${host}; the newer one, at ${address}, is kept out`,
    details: { address },
  } as const;
}
