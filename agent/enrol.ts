import { hash, X509Certificate } from "node:crypto";
import { join } from "node:path";
import { type DetailedPeerCertificate, connect } from "node:tls";
import { parseToken } from "../core/enrolment-token.ts";
import { DbctlError } from "../core/errors.ts";
import {
  type FleetIdentity,
  openIdentityChannel,
  readFleetIdentity,
  writeFleetIdentity,
} from "../core/fleet-identity.ts";
import { controllerName, createClient, openChannel } from "../core/grpc/client.ts";
import type { Secret } from "../core/secret.ts";
import { exportPrivateKey, makeCertificateRequest, makeKeyPair } from "../core/x509/key-pair.ts";
import { EnrolmentService } from "../proto/gen/dbctl/v1/agent_link_pb.ts";

interface Enrolment {
  token: Secret;
  host: string;
  stateDir: string;
  /** This host's clock. */
  now: () => Date;
  signal: AbortSignal;
}

/** Where an agent keeps its key, its certificate and what it knows of its controller. */
export const identityFile = (stateDir: string) => join(stateDir, "fleet-identity.json");

/**
 * Makes this host part of a fleet: makes its key, which never leaves the host, and has it signed.
 * The controller is believed only when its CA is the one that the token names.
 */
export async function enrol(order: Enrolment): Promise<FleetIdentity> {
  const { host, stateDir, signal } = order;
  const { address, ca: fingerprint, secret } = parseToken(order.token.reveal());
  const ca = await fetchAuthority({ address, fingerprint, signal });
  await refuseOtherFleet(stateDir, ca);
  const keys = await makeKeyPair();
  const certificateRequest = await makeCertificateRequest(keys);
  using channel = openChannel({ address, tls: { ca } });
  const { certificate } = await createClient(EnrolmentService, channel).enrol(
    { token: secret.reveal(), host, certificateRequest },
    { signal },
  );
  checkClock(certificate, order.now());
  const key = await exportPrivateKey(keys);
  const identity = { format: 1, kind: "agent", name: host, address, ca, certificate, key } as const;
  await writeFleetIdentity(identityFile(stateDir), identity);
  return identity;
}

/** The identity of this host, with a new certificate and key when two thirds of its life are over. */
export async function renewWhenDue(
  { stateDir, now }: { stateDir: string; now: () => Date },
  { signal }: { signal: AbortSignal },
): Promise<FleetIdentity> {
  const identity = await readFleetIdentity(identityFile(stateDir));
  if (identity === undefined)
    throw new DbctlError("identity-wrong", "Cannot join the fleet: this host is not enrolled", {
      remedy: "Make a token with `dbctl agents token` and start the agent with --token-file",
    });
  if (!renewalIsDue(identity.certificate, now())) return identity;
  const keys = await makeKeyPair();
  const certificateRequest = await makeCertificateRequest(keys);
  using channel = openIdentityChannel(identity);
  const client = createClient(EnrolmentService, channel);
  const { certificate } = await client.renew({ certificateRequest }, { signal });
  const renewed = { ...identity, certificate, key: await exportPrivateKey(keys) };
  await writeFleetIdentity(identityFile(stateDir), renewed);
  return renewed;
}

export function renewalIsDue(certificate: string, now: Date): boolean {
  const { validFromDate, validToDate } = new X509Certificate(certificate);
  const [from, to] = [validFromDate.getTime(), validToDate.getTime()];
  return now.getTime() >= from + ((to - from) * 2) / 3;
}

const connectMs = 10_000;

interface Pinned {
  address: string;
  /** SHA-256 of the CA's certificate, hexadecimal. */
  fingerprint: string;
  signal: AbortSignal;
}

/**
 * The CA's certificate as the server shows it, PEM, when it is the one that was pinned. This first
 * connection is not trusted with anything; the next one is verified by what it brought.
 */
async function fetchAuthority({ address, fingerprint, signal }: Pinned): Promise<string> {
  signal.throwIfAborted();
  const { host, port } = splitAddress(address);
  const { promise, resolve, reject } = Promise.withResolvers<DetailedPeerCertificate>();
  const options = { host, port, servername: controllerName, ALPNProtocols: ["h2"] };
  const socket = connect({ ...options, rejectUnauthorized: false });
  const stop = () => reject(signal.reason);
  signal.addEventListener("abort", stop, { once: true });
  socket.setTimeout(connectMs, () => reject(unreachable(address, "it does not answer")));
  socket.once("error", (error) => reject(unreachable(address, error.message)));
  socket.once("secureConnect", () => resolve(socket.getPeerCertificate(true)));
  try {
    return pinnedIn(await promise, { address, fingerprint });
  } finally {
    signal.removeEventListener("abort", stop);
    socket.destroy();
  }
}

function pinnedIn(leaf: DetailedPeerCertificate, pin: Omit<Pinned, "signal">): string {
  const shown: Buffer | undefined = leaf.issuerCertificate?.raw;
  if (shown !== undefined && hash("sha256", shown, "hex") === pin.fingerprint)
    return new X509Certificate(shown).toString();
  throw new DbctlError("identity-wrong", `Cannot trust ${pin.address}: its CA is another one`, {
    remedy:
      "The token is of another controller, or somebody is between: make sure, ask for a token",
  });
}

function splitAddress(address: string): { host: string; port: number } {
  const { hostname, port } = new URL(`tls://${address}`);
  return { host: hostname.replace(/^\[(.*)\]$/, "$1"), port: Number(port) };
}

async function refuseOtherFleet(stateDir: string, ca: string): Promise<void> {
  const known = await readFleetIdentity(identityFile(stateDir));
  if (known === undefined || fingerprintOf(known.ca) === fingerprintOf(ca)) return;
  throw new DbctlError("identity-wrong", "Cannot enrol: this host belongs to another fleet", {
    remedy: `If it is to change fleets, remove ${identityFile(stateDir)} first`,
  });
}

const fingerprintOf = (pem: string) => new X509Certificate(pem).fingerprint256;

/** Certificates are dated back by a day, and begin with the controller's clock of their making. */
const backdatingMs = 24 * 3600_000;
const maxSkewMs = 5 * 60_000;

function checkClock(certificate: string, now: Date): void {
  const madeAt = new X509Certificate(certificate).validFromDate.getTime() + backdatingMs;
  const skewMs = now.getTime() - madeAt;
  if (Math.abs(skewMs) <= maxSkewMs) return;
  const minutes = Math.round(Math.abs(skewMs) / 60_000);
  const what = `this host's clock is ${minutes} min ${skewMs > 0 ? "ahead" : "behind"}`;
  throw new DbctlError("config-invalid", `Cannot enrol: ${what} of the controller's`, {
    remedy: "Set the clock (NTP), revoke this name at the controller, and enrol with a new token",
  });
}

function unreachable(address: string, what: string): DbctlError {
  return new DbctlError("controller-unreachable", `Cannot reach ${address}: ${what}`, {
    remedy: "Check the address, the network and that the controller runs",
    retryable: true,
  });
}
