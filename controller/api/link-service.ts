import { create } from "@bufbuild/protobuf";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { DbctlError } from "../../core/errors.ts";
import type { CallContext } from "../../core/grpc/peer.ts";
import type { Implementation } from "../../core/grpc/method-shapes.ts";
import { log } from "../../core/log.ts";
import { pause } from "../../core/run-service.ts";
import { LinkResponseSchema } from "../../proto/gen/dbctl/v1/agent_link_pb.ts";
import type {
  AgentLinkService,
  Hello,
  JobReference,
  LinkRequest,
  LinkResponse,
} from "../../proto/gen/dbctl/v1/agent_link_pb.ts";
import { recordHeartbeat, recordHello } from "../agents/record-hello.ts";
import type { Db } from "../database/database.ts";
import { applyJobEvent } from "../jobs/apply-job-event.ts";
import { readStopRequests, selectCancelled } from "../jobs/cancel-job.ts";
import { claimNextJob, defaultLeaseMs } from "../jobs/claim-next-job.ts";
import type { JobRecord } from "../jobs/job-record.ts";
import { readDispatched } from "../jobs/list-jobs.ts";
import { renewLeases } from "../jobs/renew-leases.ts";
import type { JobClaim } from "../jobs/renew-leases.ts";
import { WorkBoard } from "../jobs/work-board.ts";
import { Mailbox } from "./mailbox.ts";

export interface LinkParts {
  db: Db;
  now: () => Date;
  /** Between two looks for work; 500 ms unless told. */
  pollMs?: number;
  /** A minute unless told. */
  leaseMs?: number | undefined;
}

/** Several fit into a lease: one that comes late loses no job. */
function heartbeatSecondsOf(leaseMs: number): number {
  return Math.min(10, Math.max(1, Math.floor(leaseMs / 6_000)));
}

/** After this silence an agent is given no new work: three heartbeats are missing. */
const lateMs = 30_000;

/** The stream of one agent: what it says goes into the catalog, commands go down to it. */
export function createLinkService(
  parts: LinkParts,
): Implementation<typeof AgentLinkService, CallContext> {
  const board = new WorkBoard(parts.db, { now: parts.now, pollMs: parts.pollMs ?? 500 });
  return { link: (requests, context) => serveLink(requests, { ...parts, board, context }) };
}

interface Link {
  db: Db;
  board: WorkBoard;
  now: () => Date;
  pollMs: number;
  leaseMs: number;
  agent: { id: string; host: string };
  down: Mailbox<LinkResponse>;
  signal: AbortSignal;
  heardAt: Date;
  /** From its first heartbeat on, which follows what its journal still had to tell. */
  isCaughtUp: boolean;
  /** From the hello on. It does not reject: its failures end the call. */
  dispatching?: Promise<void>;
}

async function* serveLink(
  requests: AsyncIterable<LinkRequest>,
  parts: LinkParts & { board: WorkBoard; context: CallContext },
): AsyncGenerator<LinkResponse> {
  const { context, board, pollMs = 500, leaseMs = defaultLeaseMs, db, now } = parts;
  const over = new AbortController();
  const signal = AbortSignal.any([context.signal, over.signal]);
  const down = new Mailbox<LinkResponse>();
  const agent = agentOf(context);
  const link: Link = {
    db,
    board,
    now,
    pollMs,
    leaseMs,
    agent,
    down,
    signal,
    heardAt: now(),
    isCaughtUp: false,
  };
  const stop = () => down.fail(context.signal.reason);
  context.signal.addEventListener("abort", stop, { once: true });
  void serve(requests, link).catch((error: unknown) => down.fail(error));
  try {
    if (context.signal.aborted) stop();
    yield* down;
  } finally {
    over.abort();
    context.signal.removeEventListener("abort", stop);
    await link.dispatching;
  }
}

/** Until the agent ends its side. */
async function serve(requests: AsyncIterable<LinkRequest>, link: Link): Promise<void> {
  for await (const { message } of requests) {
    if (link.signal.aborted) return;
    link.heardAt = link.now();
    const greeted = link.dispatching !== undefined;
    if (message.case === "hello" && !greeted) {
      await greet(link, message.value);
      link.dispatching = dispatch(link).catch((error: unknown) => link.down.fail(error));
    } else if (message.case === undefined || message.case === "hello" || !greeted)
      throw outOfTurn(link.agent.host, message.case);
    else await take(link, message);
  }
  link.down.end();
}

async function greet(link: Link, hello: Hello): Promise<void> {
  const { db, agent, now, leaseMs } = link;
  await recordHello(db, { agentId: agent.id, hello }, now());
  await renewLeases(db, { host: agent.host, claims: claimsOf(hello.jobs), leaseMs }, now());
  const row = await db.one("select last_sequence from agents where id = :id", { id: agent.id });
  const lastSequence = BigInt(Number(row?.["last_sequence"] ?? 0));
  const heartbeatSeconds = heartbeatSecondsOf(leaseMs);
  send(link, { case: "welcome", value: { agentId: agent.id, heartbeatSeconds, lastSequence } });
  // The command may have been lost with the last link; sent twice it is run once.
  const known = new Set(hello.jobs.map(({ jobId, fencingToken }) => `${jobId} ${fencingToken}`));
  for (const record of await readDispatched(db, agent.host))
    if (!known.has(`${record.job.id} ${record.fencingToken}`)) sendJob(link, record);
}

type Word = Extract<LinkRequest["message"], { case: "heartbeat" | "jobEvent" }>;

async function take(link: Link, message: Word): Promise<void> {
  const { db, agent, now, leaseMs } = link;
  if (message.case === "heartbeat") {
    const heartbeat = message.value;
    await recordHeartbeat(db, { agentId: agent.id, heartbeat }, now());
    const claims = claimsOf(heartbeat.jobs);
    await renewLeases(db, { host: agent.host, claims, leaseMs }, now());
    for (const claim of await selectCancelled(db, claims)) sendStop(link, claim);
    link.isCaughtUp = true;
    return;
  }
  const event = message.value;
  const outcome = await applyJobEvent(db, { agent, event, leaseMs }, now());
  if (outcome === "refused") {
    const { jobId, fencingToken } = event;
    const kind = event.event.case ?? "";
    log.warn("job-event-refused", { host: agent.host, job: jobId, token: fencingToken, kind });
  }
  send(link, { case: "eventsTaken", value: { sequence: event.sequence } });
}

/** Sends commands down until the link is over. */
async function dispatch(link: Link): Promise<void> {
  const { db, now, agent, signal, leaseMs } = link;
  const stopped = new Set<string>();
  for (; !signal.aborted; await pause(link.pollMs, signal)) {
    if (!(await link.board.has(agent.host))) continue;
    const isLate = now().getTime() - link.heardAt.getTime() > lateMs;
    const isReady = link.isCaughtUp && !isLate;
    const record = isReady
      ? await claimNextJob(db, { host: agent.host, leaseMs }, now())
      : undefined;
    if (record !== undefined) sendJob(link, record);
    for (const claim of await readStopRequests(db, agent.host)) {
      const key = `${claim.id} ${claim.token}`;
      if (!stopped.has(key)) sendStop(link, claim);
      stopped.add(key);
    }
  }
}

function sendJob(link: Link, { job, spec, fencingToken }: JobRecord): void {
  const value = { jobId: job.id, fencingToken: BigInt(fencingToken), spec };
  send(link, { case: "runJob", value });
}

function sendStop(link: Link, { id, token }: JobClaim): void {
  send(link, { case: "stopJob", value: { jobId: id, fencingToken: BigInt(token) } });
}

function send(link: Link, message: MessageInitShape<typeof LinkResponseSchema>["message"]): void {
  link.down.put(create(LinkResponseSchema, message === undefined ? {} : { message }));
}

function claimsOf(references: readonly JobReference[]): JobClaim[] {
  return references.map(({ jobId, fencingToken }) => ({ id: jobId, token: Number(fencingToken) }));
}

function agentOf({ peer }: CallContext): { id: string; host: string } {
  if (peer.identity.kind === "agent") return { id: peer.identity.id, host: peer.identity.name };
  throw new DbctlError("access-denied", "Cannot open a link: the caller is no agent", {
    remedy: "Enrol the host: dbctl agents token",
  });
}

function outOfTurn(host: string, what: string | undefined): DbctlError {
  return new DbctlError(
    "protocol-violated",
    `Cannot go on with the link of ${host}: it sent ${what ?? "an unknown message"} out of turn`,
    { remedy: "Bring the agent to the controller's version" },
  );
}
