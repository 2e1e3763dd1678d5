import { once } from "node:events";
import { type IncomingHttpHeaders, type ServerResponse, createServer } from "node:http";

export interface Received {
  headers: IncomingHttpHeaders;
  body: string;
  path: string;
}

/** A webhook's receiver on loopback; `answer` says what it does with the n-th call, from 0. */
export async function startReceiver(
  answer: (response: ServerResponse, call: number) => void = (response) => response.end(),
) {
  const received: Received[] = [];
  const server = createServer((request, response) => {
    const pieces: Buffer[] = [];
    request.on("data", (piece: Buffer) => pieces.push(piece));
    request.on("end", () => {
      const { headers, url = "" } = request;
      received.push({ headers, body: Buffer.concat(pieces).toString(), path: url });
      answer(response, received.length - 1);
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    received,
    url: `http://127.0.0.1:${address.port}/hook`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
