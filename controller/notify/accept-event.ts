import type { BusMessage } from "../bus/bus.ts";
import { type Severity, type ToldEvent, parseToldEvent, severities } from "../bus/fleet-event.ts";
import { readDatabase, readDatabases } from "../catalog/read-databases.ts";
import type { Db } from "../database/database.ts";
import type { Webhook } from "../policies/policy.ts";
import { readPolicies } from "../policies/read-policies.ts";
import { webhookMark } from "./webhook-mark.ts";
import { webhookPayload } from "./webhook-payload.ts";

/**
 * Writes down to whom a message of the bus is to be delivered. One that comes again changes
 * nothing: its id is known. Throws `protocol-violated` for what is no event of ours.
 */
export async function acceptEvent(db: Db, message: BusMessage, now: Date): Promise<void> {
  const told = parseToldEvent(message.body);
  if (told.kind === "alert" && toldAsEvents.has(told.type)) return;
  const severity = await weightOf(db, told);
  const webhooks = (await chooseWebhooks(db, told)).filter((one) =>
    isWanted(one, { told, severity }),
  );
  if (webhooks.length === 0) return;
  const body = webhookPayload(told);
  await db.transaction(async (inner) => {
    for (const { url, secretFile } of webhooks)
      await inner.run(
        `insert into deliveries
           (event_id, channel, secret_file, state, attempts, next_attempt_at, body)
         values (:id, :url, :secretFile, 'waiting', 0, :at, :body)
         on conflict (event_id, channel) do nothing`,
        { id: told.id, url, secretFile, at: now.toISOString(), body },
      );
  });
}

/** These alerts come with an event for each change: one notice is enough. */
const toldAsEvents = new Set(["rpo_violation", "agent_offline"]);

/** Who was told of an alert is told that it is over, though that is good news. */
async function weightOf(db: Db, { severity, details }: ToldEvent): Promise<Severity> {
  if (typeof details["alert"] !== "string") return severity;
  const row = await db.one("select severity from alerts where id = :id", { id: details["alert"] });
  const worst = Math.max(...[severity, row?.["severity"]].map((one) => rank(one)));
  return severities[worst] ?? severity;
}

function isWanted(
  { url, minSeverity }: Webhook,
  { told, severity }: { told: ToldEvent; severity: Severity },
): boolean {
  // The news that a webhook is dead cannot go there.
  if (told.details["dead_webhook"] === webhookMark(url)) return false;
  return rank(severity) >= rank(minSeverity);
}

function rank(severity: unknown): number {
  return severities.findIndex((one) => one === severity);
}

/**
 * Those of the policy of the database; for a host, of the policies of its databases. What no policy
 * is responsible for is told to all: somebody must know.
 */
async function chooseWebhooks(db: Db, told: ToldEvent): Promise<Webhook[]> {
  const { host, database } = told;
  const databases =
    host === ""
      ? []
      : database === ""
        ? (await readDatabases(db)).filter((one) => one.host === host)
        : [await readDatabase(db, `${host}/${database}`)];
  const policies = databases.flatMap((one) => (one?.policy === undefined ? [] : [one.policy]));
  const responsible = policies.length > 0 ? policies : await readPolicies(db);
  const webhooks = responsible.flatMap((policy) => policy.webhooks);
  return [...new Map(webhooks.map((webhook) => [webhook.url, webhook])).values()];
}
