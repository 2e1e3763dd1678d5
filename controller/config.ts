import { hostname } from "node:os";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { DbctlError } from "../core/errors.ts";

export interface ControllerConfig {
  /** Folder of catalog, CA and the first admin's identity. */
  state: string;
  /** `host:port` of gRPC. */
  listen: string;
  /** `host:port` under which agents and people reach it; tokens and identities carry it. */
  advertise: string;
  /** `host:port` of `/metrics` and `/health`. */
  metrics: string;
  /** File of the bearer token that scrapers must show; needed when others than this host may. */
  metricsTokenFile?: string;
  /** Whether webhooks may go to private networks and to this host. */
  privateWebhooks?: boolean;
  /** `nats://…`; the bus is in memory when unset. */
  nats?: string;
  /** Folder with `ca.pem`, `cert.pem`, `key.pem` for NATS. */
  natsTls?: string;
  /** How long an agent may be silent before its jobs are lost; a minute unless told. */
  leaseSeconds?: number;
  /** For how long the rows of ended jobs and removed backups are kept; 400 days unless told. */
  historyDays?: number;
  /** Only checks the audit log, then ends. */
  verifyAudit: boolean;
}

const options = {
  state: { type: "string" },
  listen: { type: "string", default: "127.0.0.1:7400" },
  advertise: { type: "string" },
  metrics: { type: "string", default: "127.0.0.1:9399" },
  "metrics-token-file": { type: "string" },
  "private-webhooks": { type: "boolean", default: false },
  nats: { type: "string" },
  "nats-tls": { type: "string" },
  "lease-seconds": { type: "string" },
  "history-days": { type: "string" },
  "verify-audit": { type: "boolean", default: false },
} as const;

/** Reads the command line; each option may also be `DBCTL_<NAME>` in the environment. */
export function readControllerConfig(
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
): ControllerConfig {
  const values = parse(argv);
  const state = values.state ?? env["DBCTL_STATE"];
  const faults: string[] = [];
  if (state === undefined) faults.push("--state is missing");
  const { listen, metrics } = values;
  const port = /:(\d{1,5})$/.exec(listen)?.[1] ?? "";
  const advertise = values.advertise ?? env["DBCTL_ADVERTISE"] ?? advertised(listen, port);
  for (const [name, value] of Object.entries({ listen, metrics, advertise }))
    if (!/^(\[[0-9a-f:.]+\]|[A-Za-z0-9.-]+):\d{1,5}$/.test(value))
      faults.push(`--${name} is ${JSON.stringify(value)}, not host:port`);
  const counts = readCounts(values, env, faults);
  if (faults.length > 0 || state === undefined) throw invalid(faults.join("; "));
  const nats = values.nats ?? env["DBCTL_NATS"];
  const natsTls = values["nats-tls"] ?? env["DBCTL_NATS_TLS"];
  const metricsTokenFile = values["metrics-token-file"] ?? env["DBCTL_METRICS_TOKEN_FILE"];
  const privateWebhooks = values["private-webhooks"] || env["DBCTL_PRIVATE_WEBHOOKS"] === "1";
  return {
    state: resolve(state),
    listen,
    advertise,
    metrics,
    privateWebhooks,
    ...(metricsTokenFile ? { metricsTokenFile } : {}),
    ...(nats ? { nats } : {}),
    ...(natsTls ? { natsTls } : {}),
    ...counts,
    verifyAudit: values["verify-audit"],
  };
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options, allowPositionals: false }).values;
  } catch (error) {
    throw invalid((error as Error).message);
  }
}

/** The options that are whole numbers. */
function readCounts(
  values: ReturnType<typeof parse>,
  env: NodeJS.ProcessEnv,
  faults: string[],
): Pick<ControllerConfig, "leaseSeconds" | "historyDays"> {
  const read = (name: "lease-seconds" | "history-days", [min, max]: [number, number]) => {
    const text = values[name] ?? env[`DBCTL_${name.replace("-", "_").toUpperCase()}`];
    const count = Number(text);
    if (text !== undefined && !(/^\d+$/.test(text) && count >= min && count <= max))
      faults.push(`--${name} is ${JSON.stringify(text)}, not ${min} to ${max}`);
    return text === undefined ? undefined : count;
  };
  const leaseSeconds = read("lease-seconds", [3, 3600]);
  const historyDays = read("history-days", [30, 36_500]);
  return {
    ...(leaseSeconds === undefined ? {} : { leaseSeconds }),
    ...(historyDays === undefined ? {} : { historyDays }),
  };
}

/** One cannot dial "every address": this host's name stands for it. */
function advertised(listen: string, port: string): string {
  return /^(0\.0\.0\.0|\[::\]):/.test(listen) ? `${hostname()}:${port}` : listen;
}

function invalid(what: string): DbctlError {
  return new DbctlError("config-invalid", `Cannot start the controller: ${what}`, {
    remedy: "Use --state DIR --listen HOST:PORT [--advertise HOST:PORT] [--nats URL]",
  });
}
