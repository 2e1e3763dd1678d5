import { Counter, Gauge, Registry } from "prom-client";

/** Before each name; what comes after it is the contract with dashboards and rules. */
const prefix = "dbctl_";

/** More would be a load for Prometheus; what is cut is counted and shown (OBS-01). */
const defaultCap = 200_000;

export type Labels = Record<string, string>;

/** The names, what they mean, and their labels. */
export const metrics = {
  build_info: { help: "Always 1", labels: ["version"] },
  last_success_timestamp: { help: "When the newest good backup was committed", labels: backup() },
  last_backup_duration_seconds: { help: "Duration of the newest good backup", labels: backup() },
  last_backup_size_bytes: { help: "Stored size of the newest good backup", labels: backup() },
  backup_total: { help: "Ended backup attempts", labels: database("status"), counter: true },
  rpo_seconds: { help: "Age of recoverability, since first seen without one", labels: database() },
  rpo_target_seconds: { help: "RPO of the policy, 0 without one", labels: database() },
  rpo_state: { help: "0 ok, 1 warning or without policy, 2 violated", labels: database() },
  recoverable_until_timestamp: {
    help: "Until when it can be restored",
    labels: database("engine"),
  },
  recoverable_level: {
    help: "0 none, 1 stored, 2 verified, 3 proved",
    labels: database("engine"),
  },
  copies: { help: "Repositories with a good backup within the RPO", labels: database() },
  copies_target: { help: "Repositories that the policy names, 0 without one", labels: database() },
  backup_verified: { help: "Whether the newest backup was verified", labels: database() },
  backup_verified_timestamp: {
    help: "When the newest verified backup was verified",
    labels: database(),
  },
  agent_up: { help: "Whether the agent was heard within a minute", labels: ["server"] },
  agent_last_seen_timestamp: { help: "When the agent was last heard", labels: ["server"] },
  agent_clock_skew_seconds: { help: "The host's clock minus the controller's", labels: ["server"] },
  agent_cert_expiry_timestamp: { help: "End of the agent's certificate", labels: ["server"] },
  jobs: { help: "Jobs by kind and state", labels: ["kind", "state"] },
  alerts: { help: "Open alerts", labels: ["kind", "severity"] },
  outbox_oldest_seconds: { help: "How long the oldest unpublished event waits", labels: [] },
  scrape_timestamp: { help: "When these figures were computed", labels: [] },
  series_cut: { help: "Series left out because there are too many", labels: [] },
} as const satisfies Record<string, { help: string; labels: string[]; counter?: true }>;

export type MetricName = keyof typeof metrics;

function database(...more: string[]): string[] {
  return ["server", "database", ...more];
}

function backup(): string[] {
  return database("engine", "backup_type");
}

/** One set of figures, for one scrape. */
export class Series {
  readonly #registry = new Registry();
  readonly #cap: number;
  readonly #metrics: Map<MetricName, Counter | Gauge>;
  #count = 0;
  #cut = 0;

  constructor(cap: number = defaultCap) {
    this.#cap = cap;
    const registers = [this.#registry];
    const all = Object.entries(metrics).map(([name, { help, labels, ...rest }]) => {
      const configuration = { name: prefix + name, help, labelNames: [...labels], registers };
      const metric = "counter" in rest ? new Counter(configuration) : new Gauge(configuration);
      return [name as MetricName, metric] as const;
    });
    this.#metrics = new Map(all);
  }

  /** Adds one series; seconds since 1970 for a date. */
  add(name: MetricName, value: number | Date, labels: Labels = {}): void {
    if (this.#count >= this.#cap) {
      this.#cut++;
      return;
    }
    this.#count++;
    this.#put(name, value instanceof Date ? value.getTime() / 1000 : value, labels);
  }

  /** Prometheus' text format. */
  async text(): Promise<string> {
    this.#put("series_cut", this.#cut, {});
    return await this.#registry.metrics();
  }

  #put(name: MetricName, value: number, labels: Labels): void {
    const metric = this.#metrics.get(name);
    if (metric instanceof Counter) metric.inc(labels, value);
    else metric?.set(labels, value);
  }
}

export const contentType = Registry.PROMETHEUS_CONTENT_TYPE;
