import type { ToldEvent } from "../bus/fleet-event.ts";

/** The JSON body of a webhook, version 1.0; the signature is over exactly this text. */
export function webhookPayload(told: ToldEvent): string {
  const { details } = told;
  const seconds = numberOf(details["duration_seconds"]);
  const subject = { ...told, type: typeOf(told) };
  return JSON.stringify({
    version: "1.0",
    event: {
      type: subject.type,
      severity: told.severity,
      timestamp: told.at,
      database: told.database,
      message: told.message,
      details: told.state === undefined ? details : { ...details, state: told.state },
      error: textOf(details["error"]),
      duration: Math.round(seconds * 1e9),
      backup_file: textOf(details["backup"]),
      backup_size: numberOf(details["backup_size"]),
      hostname: told.host,
      id: told.id,
      duration_seconds: seconds,
      instance: told.instance,
      engine: textOf(details["engine"]),
      policy: textOf(details["policy"]),
      job: textOf(details["job"]),
      recoverable_until: details["recoverable_until"] ?? null,
    },
    subject: `[dbctl] ${subjectLine(subject)}`,
    body: told.message,
    metadata: { source: "dbctl" },
  });
}

function typeOf({ kind, type }: ToldEvent): string {
  return kind === "event" ? type : `alert_${type}`;
}

function subjectLine({ severity, type, host, database, state }: ToldEvent): string {
  const place = [host, database].filter((name) => name !== "").join("/");
  const words = [severity.toUpperCase(), type, ...(place === "" ? [] : [place])];
  return [...words, ...(state === "resolved" ? ["(resolved)"] : [])].join(" ");
}

function textOf(value: ToldEvent["details"][string] | undefined): string {
  return value === null || value === undefined ? "" : String(value);
}

function numberOf(value: ToldEvent["details"][string] | undefined): number {
  return Number.isFinite(Number(value)) ? Number(value) : 0;
}
