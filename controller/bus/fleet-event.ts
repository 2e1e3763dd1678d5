import { DbctlError } from "../../core/errors.ts";

/** From the least to the worst. */
export const severities = ["info", "success", "warning", "error", "critical"] as const;
export type Severity = (typeof severities)[number];

/** Something that happened in the fleet (event), or that stays wrong until it is resolved (alert). */
export interface FleetEvent {
  /** The message's id for ever: who got it once knows it again. */
  id: string;
  /** Kind of event or alert: `backup_completed`, `rpo_violation`, … */
  type: string;
  kind: "event" | "alert";
  /** Of alerts only. */
  state?: "open" | "resolved";
  severity: Severity;
  host: string;
  /** Empty when it is about a host. */
  instance: string;
  /** The name within its instance; empty when it is about more than one database. */
  database: string;
  /** A sentence for people. */
  message: string;
  /**
   * What else is known. These names have a place of their own in a webhook's body: `error`,
   * `duration_seconds`, `backup` (its id), `backup_size`, `engine`, `policy`, `job`,
   * `recoverable_until`.
   */
  details: Record<string, string | number | boolean | null>;
}

/** As it goes over the bus: with the controller's time, ISO 8601. */
export type ToldEvent = FleetEvent & { at: string };

/** The subject on the bus. Names are cleaned, the exact ones are in the body. */
export function subjectOf(event: FleetEvent): string {
  const { kind, type, state, host, instance, database } = event;
  const place = [host, instance, database];
  const tokens =
    kind === "event" ? [kind, type, ...place] : [kind, type, state ?? "open", ...place];
  return ["dbctl", "v1", ...tokens.map(cleanToken)].join(".");
}

/** Letters, digits, `-` and `_`; an empty token is not possible in a subject. */
function cleanToken(name: string): string {
  return name === "" ? "_" : name.replaceAll(/[^A-Za-z0-9_-]/g, "_");
}

/** Reads a message's body; what is not one of ours is an error. */
export function parseToldEvent(body: string): ToldEvent {
  const value = parseObject(body);
  const texts = ["id", "type", "host", "instance", "database", "message", "at"] as const;
  const known =
    texts.every((name) => typeof value[name] === "string") &&
    (value["kind"] === "event" || value["kind"] === "alert") &&
    (value["kind"] === "event" || value["state"] === "open" || value["state"] === "resolved") &&
    severities.some((one) => one === value["severity"]) &&
    typeof value["details"] === "object" &&
    value["details"] !== null;
  if (!known) throw unreadable(body);
  return value as unknown as ToldEvent;
}

function parseObject(body: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(body);
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  } catch {
    // Told below, as whatever else is no event.
  }
  throw unreadable(body);
}

function unreadable(body: string): DbctlError {
  return new DbctlError(
    "protocol-violated",
    `Cannot read an event: the bus has ${JSON.stringify(body.slice(0, 100))}`,
    { remedy: "Let only controllers publish on dbctl.v1.event.> and dbctl.v1.alert.>" },
  );
}
