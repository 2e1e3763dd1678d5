import { createHash, timingSafeEqual } from "node:crypto";
import { once } from "node:events";
import { type IncomingMessage, type ServerResponse, createServer } from "node:http";
import { BlockList, isIP } from "node:net";
import { DbctlError } from "../../core/errors.ts";
import { errorFields, log } from "../../core/log.ts";
import { readSecretFile } from "../../core/secret-file.ts";
import { Secret } from "../../core/secret.ts";
import type { Db } from "../database/database.ts";
import { collect } from "./collect.ts";
import { readHealth } from "./health.ts";
import { contentType } from "./series.ts";

interface Parts {
  db: Db;
  now: () => Date;
  version: string;
  /** `host:port`; port 0 takes a free one. */
  listen: string;
  /** File of the bearer token that scrapers show; must be there when others than this host may. */
  tokenFile?: string | undefined;
}

export interface Exporter extends AsyncDisposable {
  /** `host:port` that it listens at. */
  readonly address: string;
}

/**
 * Serves `/metrics` (Prometheus' text) and `/health` (JSON; 503 when something is critical; of the
 * whole fleet with `?deep=1`).
 */
export async function startExporter(parts: Parts): Promise<Exporter> {
  const { host, port } = splitAddress(parts.listen);
  const token = parts.tokenFile === undefined ? undefined : await readToken(parts.tokenFile);
  if (!isLoopback(host) && token === undefined)
    throw new DbctlError("config-invalid", `Cannot export metrics at ${parts.listen}: no token`, {
      remedy: "Name a file with a bearer token, or let it listen on 127.0.0.1",
    });
  const metrics = cached(parts);
  const server = createServer((request, response) => {
    void answer(request, response, { ...parts, token, metrics });
  });
  server.listen(port, host);
  await once(server, "listening").catch((cause: unknown) => {
    throw notListening(parts.listen, cause);
  });
  const bound = server.address();
  const taken = typeof bound === "object" && bound !== null ? bound.port : port;
  return {
    address: `${host.includes(":") ? `[${host}]` : host}:${taken}`,
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function readToken(file: string): Promise<Secret> {
  const text = (await readSecretFile(file))?.trim() ?? "";
  if (text !== "") return new Secret(text);
  throw new DbctlError("config-invalid", `Cannot export metrics: ${file} holds no token`, {
    remedy: "Write the bearer token there, mode 0600",
  });
}

function splitAddress(listen: string): { host: string; port: number } {
  const [, host = "", port = ""] = /^\[?(.*?)\]?:(\d+)$/.exec(listen) ?? [];
  return { host, port: Number(port) };
}

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

function isLoopback(host: string): boolean {
  const family = isIP(host);
  return family === 0 ? host === "localhost" : loopback.check(host, family === 6 ? "ipv6" : "ipv4");
}

function notListening(listen: string, cause: unknown): DbctlError {
  const code = (cause as NodeJS.ErrnoException).code;
  const port = /\d+$/.exec(listen)?.[0] ?? "";
  if (code === "EADDRINUSE")
    return new DbctlError("port-taken", `Cannot export metrics at ${listen}: the port is taken`, {
      remedy: `See who has it with: ss -ltnp 'sport = :${port}'`,
      cause,
    });
  return new DbctlError("system-failed", `Cannot export metrics at ${listen}: ${String(cause)}`, {
    remedy: "Check the address",
    cause,
  });
}

const cacheMs = 30_000;

/** Scrapes within 30 s, and those at one time, share their figures. A failure is not kept. */
function cached({ db, now, version }: Parts): () => Promise<string> {
  let last: { at: number; text: Promise<string> } | undefined;
  return () => {
    const at = now();
    if (last !== undefined && at.getTime() - last.at < cacheMs) return last.text;
    const text = collect(db, { version }, at);
    const mine = { at: at.getTime(), text };
    last = mine;
    text.catch(() => {
      if (last === mine) last = undefined;
    });
    return text;
  };
}

type Answering = Parts & { token: Secret | undefined; metrics: () => Promise<string> };

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  parts: Answering,
): Promise<void> {
  try {
    const { status, type, body } = await respond(request, parts);
    response.writeHead(status, { "Content-Type": type });
    response.end(request.method === "HEAD" ? undefined : body);
  } catch (error) {
    log.error("scrape-failed", errorFields(error));
    response.writeHead(503, { "Content-Type": plain });
    response.end(`${DbctlError.from(error).message}\n`);
  }
}

const plain = "text/plain; charset=utf-8";

async function respond({ method, url, headers }: IncomingMessage, parts: Answering) {
  if (!isAllowed(headers.authorization, parts.token))
    return { status: 401, type: plain, body: "A bearer token is needed\n" };
  if (method !== "GET" && method !== "HEAD")
    return { status: 405, type: plain, body: "Only GET and HEAD\n" };
  const { pathname: path, searchParams } = new URL(url ?? "", "http://any");
  if (path === "/metrics") return { status: 200, type: contentType, body: await parts.metrics() };
  if (path === "/health") {
    const deep = searchParams.get("deep") === "1";
    const health = await readHealth(parts.db, parts.now(), { deep });
    const status = health.status === "critical" ? 503 : 200;
    return { status, type: "application/json", body: `${JSON.stringify(health)}\n` };
  }
  return { status: 404, type: plain, body: "There are /metrics and /health\n" };
}

function isAllowed(authorization: string | undefined, token: Secret | undefined): boolean {
  if (token === undefined) return true;
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(authorization ?? ""), digest(`Bearer ${token.reveal()}`));
}
