import { webcrypto } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { type RpcServer, addService, createRpcServer } from "../core/grpc/server.ts";
import { errorFields, log } from "../core/log.ts";
import { runService } from "../core/run-service.ts";
import { readVersion } from "../core/version.ts";
import { exportPrivateKey, makeKeyPair } from "../core/x509/key-pair.ts";
import { AgentsService } from "../proto/gen/dbctl/v1/agents_pb.ts";
import { EnrolmentService } from "../proto/gen/dbctl/v1/agent_link_pb.ts";
import { evaluateAlerts } from "./alerts/evaluate-alerts.ts";
import { createAgentsService } from "./api/agents-service.ts";
import { createEnrolmentService } from "./api/enrolment-service.ts";
import { auditCall } from "./audit/audit-call.ts";
import type { Bus } from "./bus/bus.ts";
import type { ControllerConfig } from "./config.ts";
import type { Db } from "./database/database.ts";
import { openDatabase } from "./database/database.ts";
import { migrate } from "./database/migrate.ts";
import { ensureAdmin } from "./first-admin.ts";
import { startExporter } from "./metrics/start-exporter.ts";
import { runNotifier } from "./notify/run-notifier.ts";
import { type CertificateAuthority, openAuthority } from "./trust/certificate-authority.ts";
import type { TrustParts } from "./trust/enrol-agent.ts";
import { identify } from "./trust/identify.ts";

export interface Controller extends AsyncDisposable {
  /** `host:port` that it listens at. */
  readonly address: string;
  /** Runs the loops until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
}

export const catalogFile = (state: string) => join(state, "catalog.db");

/** Opens the catalog, makes what a new fleet needs, listens. */
export async function startController(
  config: ControllerConfig,
  { now, bus }: { now: () => Date; bus: Bus },
): Promise<Controller> {
  await using stack = new AsyncDisposableStack();
  await mkdir(config.state, { recursive: true, mode: 0o700 });
  const db = stack.use(await openDatabase(catalogFile(config.state)));
  await migrate(db, now());
  const ca = await openAuthority(config.state, now());
  const trust = { db, ca, now };
  await ensureAdmin(trust, { state: config.state, address: config.advertise });
  const server = stack.use(await createServer(trust, config));
  addServices(server, { ...trust, address: config.advertise });
  const port = await server.listen(config.listen);
  const { metrics, metricsTokenFile: tokenFile, privateWebhooks = false } = config;
  const exported = { db, now, version: readVersion(), listen: metrics, tokenFile };
  stack.use(await startExporter(exported));
  const resources = stack.move();
  return {
    address: config.listen.replace(/:\d+$/, `:${port}`),
    run: (signal) => runLoops({ db, now, bus, allowPrivateWebhooks: privateWebhooks }, signal),
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

async function createServer(
  { db, ca, now }: TrustParts,
  { advertise }: ControllerConfig,
): Promise<RpcServer> {
  return createRpcServer({
    tls: await serverCertificate(ca, { name: advertise.replace(/:\d+$/, ""), now: now() }),
    identify: (call) => identify(db, call, now()),
    record: (call) => auditCall(db, call, now()),
  });
}

const serverCertificateMs = 5 * 365 * 24 * 3600_000;

/** Made anew at each start; its key is never written down. */
async function serverCertificate(
  ca: CertificateAuthority,
  { name, now }: { name: string; now: Date },
) {
  const keys: webcrypto.CryptoKeyPair = await makeKeyPair();
  const { certificate } = await ca.sign({
    kind: "controller",
    subject: "controller",
    publicKey: keys.publicKey,
    names: [...new Set([name.replace(/^\[(.*)\]$/, "$1"), hostname(), "localhost"])],
    now,
    endsAt: new Date(now.getTime() + serverCertificateMs),
  });
  // The CA comes along: a host that enrols knows only its fingerprint.
  const chain = certificate + ca.certificate;
  return { ca: ca.certificate, certificate: chain, key: await exportPrivateKey(keys) };
}

function addServices(server: RpcServer, parts: TrustParts & { address: string }): void {
  addService(server, EnrolmentService, createEnrolmentService(parts));
  addService(server, AgentsService, createAgentsService({ ...parts, calls: server.calls }));
}

interface LoopParts {
  db: Db;
  now: () => Date;
  bus: Bus;
  allowPrivateWebhooks: boolean;
}

async function runLoops(parts: LoopParts, signal: AbortSignal): Promise<void> {
  const { db, now } = parts;
  const service = (name: string, idleMs: number, step: () => Promise<unknown>) =>
    runService(step, {
      idleMs,
      maxDelayMs: 60_000,
      onFailure: (error, after) => log.error(`${name}-failed`, { ...errorFields(error), ...after }),
      signal,
    });
  await Promise.all([
    runNotifier(parts, signal),
    service("alerts", 10_000, () => evaluateAlerts(db, now())),
  ]);
}
