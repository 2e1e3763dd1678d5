import {
  AckPolicy,
  DeliverPolicy,
  DiscardPolicy,
  type JetStreamClient,
  type JetStreamManager,
  type JsMsg,
  RetentionPolicy,
  StorageType,
  jetstream,
  jetstreamManager,
} from "@nats-io/jetstream";
import { type NatsConnection, type TlsOptions, connect, nanos } from "@nats-io/transport-node";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { DbctlError } from "../../core/errors.ts";
import type { Bus, BusMessage, Consumer } from "./bus.ts";

interface Options {
  /** `nats://host:port`, or `tls://…`; several with commas between. */
  url: string;
  /**
   * Folder with `ca.pem`, `cert.pem` and `key.pem`: both sides show certificates. Without it a server
   * of a `tls://` URL must have one that the system trusts.
   */
  tlsFolder?: string | undefined;
  /** After how long a message goes to another consumer when its first one is silent. */
  ackWaitMs?: number;
}

/** The bus of several controllers and of other programs: a NATS server with JetStream. */
export function createNatsBus(options: Options): Bus {
  return new NatsBus(options);
}

const stream = "DBCTL_V1";
const dayMs = 24 * 3600_000;
const timeoutMs = 5_000;

/**
 * A full stream refuses messages, which then wait in the outbox, instead of losing old ones. One
 * that exists is left as its operator made it.
 */
const streamConfig = {
  name: stream,
  subjects: ["dbctl.v1.event.>", "dbctl.v1.alert.>"],
  storage: StorageType.File,
  retention: RetentionPolicy.Limits,
  discard: DiscardPolicy.New,
  max_age: nanos(7 * dayMs),
  max_bytes: 1024 ** 3,
  duplicate_window: nanos(dayMs),
};

interface Link {
  connection: NatsConnection;
  client: JetStreamClient;
  manager: JetStreamManager;
}

class NatsBus implements Bus {
  readonly #servers: Servers;
  readonly #ackWaitMs: number;
  #link: Promise<Link> | undefined;

  constructor({ url, tlsFolder, ackWaitMs = 30_000 }: Options) {
    this.#servers = { urls: url.split(","), tls: tlsOptions(url, tlsFolder) };
    this.#ackWaitMs = ackWaitMs;
  }

  async publish({ id, subject, body }: BusMessage): Promise<void> {
    const { client } = await this.#linked();
    const options = { msgID: id, timeout: timeoutMs, expect: { streamName: stream } };
    try {
      await client.publish(subject, body, options);
    } catch (cause) {
      throw lost(`publish ${id} on ${subject}`, cause);
    }
  }

  async consume(consumer: Consumer, signal: AbortSignal): Promise<void> {
    const { client, manager } = await this.#linked();
    const durable = await this.#durable(manager, client, consumer.name);
    while (!signal.aborted) {
      const message = await nextMessage(durable, signal);
      if (message !== undefined) await handOut(message, consumer);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const link = await this.#link?.catch(() => undefined);
    await link?.connection.close();
  }

  /** One connection for all; it comes back by itself, and is made anew when it gave up. */
  #linked(): Promise<Link> {
    if (this.#link === undefined) {
      const link = openLink(this.#servers);
      this.#link = link;
      const forget = () => {
        if (this.#link === link) this.#link = undefined;
      };
      link.then(({ connection }) => connection.closed().then(forget, forget), forget);
    }
    return this.#link;
  }

  async #durable(manager: JetStreamManager, client: JetStreamClient, name: string) {
    try {
      await manager.consumers.add(stream, {
        durable_name: name,
        ack_policy: AckPolicy.Explicit,
        deliver_policy: DeliverPolicy.All,
        ack_wait: nanos(this.#ackWaitMs),
        // One at a time keeps the order, also when one is handed out again.
        max_ack_pending: 1,
      });
      return await client.consumers.get(stream, name);
    } catch (cause) {
      throw lost(`consume as ${name}`, cause);
    }
  }
}

interface Servers {
  urls: string[];
  tls: TlsOptions | undefined;
}

/** What is set makes TLS a must: the driver alone would take what the server offers. */
function tlsOptions(url: string, folder: string | undefined): TlsOptions | undefined {
  if (folder === undefined) return url.includes("tls://") ? {} : undefined;
  const file = (name: string) => join(folder, name);
  return { caFile: file("ca.pem"), certFile: file("cert.pem"), keyFile: file("key.pem") };
}

async function openLink({ urls, tls }: Servers): Promise<Link> {
  const connection = await connect({
    servers: urls,
    ...(tls === undefined ? {} : { tls }),
    name: "dbctl-controller",
    timeout: timeoutMs,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 500,
  }).catch((cause: unknown) => {
    throw lost(`connect to ${urls.join(", ")}`, cause);
  });
  try {
    const manager = await openStream(connection);
    return { connection, manager, client: jetstream(connection, { timeout: timeoutMs }) };
  } catch (cause) {
    await connection.close();
    throw lost(`open the stream ${stream}`, cause);
  }
}

/** A cluster that has just been started refuses streams for some seconds. */
async function openStream(connection: NatsConnection): Promise<JetStreamManager> {
  const deadline = Date.now() + 3 * timeoutMs;
  for (;;) {
    try {
      const manager = await jetstreamManager(connection, { timeout: 2_000 });
      const names = await Array.fromAsync(manager.streams.names());
      if (!names.includes(stream)) await manager.streams.add(streamConfig);
      return manager;
    } catch (error) {
      if (Date.now() > deadline || connection.isClosed()) throw error;
      await sleep(500);
    }
  }
}

type Durable = Awaited<ReturnType<JetStreamClient["consumers"]["get"]>>;

/** The next message, or undefined when none came for some seconds or the signal aborted. */
async function nextMessage(durable: Durable, signal: AbortSignal): Promise<JsMsg | undefined> {
  try {
    const batch = await durable.fetch({ max_messages: 1, expires: timeoutMs });
    const stop = () => batch.stop();
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    try {
      for await (const message of batch) return message;
    } finally {
      signal.removeEventListener("abort", stop);
    }
    return undefined;
  } catch (cause) {
    throw lost("wait for messages", cause);
  }
}

async function handOut(message: JsMsg, { handle }: Consumer): Promise<void> {
  try {
    const id = message.headers?.get("Nats-Msg-Id") || `${stream}-${message.seq}`;
    await handle({ id, subject: message.subject, body: message.string() });
  } catch (error) {
    message.nak();
    throw error;
  }
  // Without the server's answer it may come again: the handler knows the id.
  if (!(await message.ackAck({ timeout: timeoutMs }).catch(() => false)))
    throw lost(`acknowledge message ${message.seq}`, "the server did not answer");
}

function lost(act: string, cause: unknown): DbctlError {
  const what = cause instanceof Error ? cause.message : String(cause);
  return new DbctlError("bus-unreachable", `Cannot ${act}: NATS says: ${what}`, {
    remedy: "Check that nats-server runs with JetStream and has free space; events wait meanwhile",
    retryable: true,
    cause,
  });
}
