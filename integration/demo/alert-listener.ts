import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import { connect } from "@nats-io/transport-node";

/** What arrived: where, and its text. */
export interface Arrival {
  at: string;
  text: string;
}

/** Listens for alerts at a local webhook, and on the bus when there is NATS. */
export interface AlertListener extends AsyncDisposable {
  /** For policies. */
  readonly webhookUrl: string;
  readonly onBus: Arrival[];
  readonly atWebhook: Arrival[];
}

export async function listenForAlerts(nats: string | undefined): Promise<AlertListener> {
  await using stack = new AsyncDisposableStack();
  const onBus: Arrival[] = [];
  const atWebhook: Arrival[] = [];
  const server = createServer((request, response) => {
    void readAll(request).then((text) => {
      atWebhook.push({ at: String(request.headers["x-dbctl-event-id"]), text });
      response.writeHead(204).end();
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  stack.defer(() => new Promise((resolve) => server.close(() => resolve())));
  stack.defer(() => server.closeAllConnections());
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("Cannot listen for alerts");
  if (nats !== undefined) {
    const connection = await connect({ servers: nats });
    stack.defer(() => connection.close());
    const callback = (_: unknown, message: { subject: string; string(): string }) =>
      void onBus.push({ at: message.subject, text: message.string() });
    connection.subscribe("dbctl.v1.alert.>", { callback });
  }
  const owned = stack.move();
  const webhookUrl = `http://127.0.0.1:${address.port}/alerts`;
  return { webhookUrl, onBus, atWebhook, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

async function readAll(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  return Buffer.concat(pieces).toString();
}
