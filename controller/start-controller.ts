import { webcrypto } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { OpenCalls } from "../core/grpc/open-calls.ts";
import { type RpcServer, createRpcServer } from "../core/grpc/server.ts";
import { readVersion } from "../core/version.ts";
import { exportPrivateKey, makeKeyPair } from "../core/x509/key-pair.ts";
import { LinkGuard } from "./agents/link-guard.ts";
import { addServices } from "./add-services.ts";
import { auditCall } from "./audit/audit-call.ts";
import type { Bus } from "./bus/bus.ts";
import type { ControllerConfig } from "./config.ts";
import { openDatabase } from "./database/database.ts";
import { migrate } from "./database/migrate.ts";
import { ensureAdmin } from "./first-admin.ts";
import { startExporter } from "./metrics/start-exporter.ts";
import { runLoops } from "./run-loops.ts";
import { type CertificateAuthority, openAuthority } from "./trust/certificate-authority.ts";
import type { TrustParts } from "./trust/enrol-agent.ts";
import { identify } from "./trust/identify.ts";
import { RefusalLimit } from "./trust/refusal-limit.ts";

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
  const leaseMs = config.leaseSeconds && config.leaseSeconds * 1000;
  addServices(server, { ...trust, address: config.advertise, leaseMs });
  const port = await server.listen(config.listen);
  const { metrics, metricsTokenFile: tokenFile, privateWebhooks = false, historyDays } = config;
  const exported = { db, now, version: readVersion(), listen: metrics, tokenFile };
  stack.use(await startExporter(exported));
  const resources = stack.move();
  return {
    address: config.listen.replace(/:\d+$/, `:${port}`),
    run: (signal) =>
      runLoops(
        { db, now, bus, leaseMs, historyDays, allowPrivateWebhooks: privateWebhooks },
        signal,
      ),
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

/** Many agents may stand behind one address with certificates that have ended. */
const refusalsPerMinute = 100;

async function createServer(
  { db, ca, now }: TrustParts,
  { advertise }: ControllerConfig,
): Promise<RpcServer> {
  const calls = new OpenCalls();
  const guard = new LinkGuard({ db, now, calls });
  const strangers = new RefusalLimit(refusalsPerMinute);
  return createRpcServer({
    calls,
    tls: await serverCertificate(ca, { name: advertise.replace(/:\d+$/, ""), now: now() }),
    identify: async (call) => {
      if (call.peer.certificate === undefined) strangers.check(call.peer.address, now());
      const identity = await identify(db, call, now());
      // Of an agent's calls only its link lasts.
      if (identity.kind === "agent" && call.method.methodKind === "bidi_streaming")
        await guard.admit(identity, call.peer.address);
      return identity;
    },
    record: async (call) => {
      const isStranger = call.identity.kind === "none" && call.error !== undefined;
      if (isStranger && !strangers.note(call.peer.address, now())) return;
      await auditCall(db, call, now());
    },
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
