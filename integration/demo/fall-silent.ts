import { setTimeout as sleep } from "node:timers/promises";
import type { Arrival } from "./alert-listener.ts";
import { applyPolicies, type DemoParts } from "./protect.ts";

/** An RPO of 75 s, the look every 10 s, and the way through bus and webhook. */
const longestWaitMs = 150_000;

/** Stops an agent and waits until the alert has arrived where people would see it. */
export async function fallSilent(parts: DemoParts): Promise<void> {
  const { narrator, fleet, sources, listener } = parts;
  const silent = sources.at(-1);
  if (silent === undefined) return;
  await applyPolicies(parts, { silent });
  await narrator.step(`Stop the agent of ${silent.name}`, () => fleet.stopAgent(silent.host));
  const isIt = ({ text }: Arrival) => text.includes("rpo_violation") && text.includes(silent.host);
  const arrived = () => ({
    webhook: listener.atWebhook.find(isIt),
    bus: listener.onBus.find(isIt),
  });
  await narrator.step("Wait until nobody can be sure of its RPO any more", async () => {
    const deadline = Date.now() + longestWaitMs;
    const isThere = () => arrived().webhook !== undefined && (!fleet.nats || arrived().bus);
    while (!isThere() && Date.now() < deadline) await sleep(200);
  });
  const { webhook, bus } = arrived();
  if (fleet.nats) {
    narrator.check("the RPO alert arrived on NATS", bus !== undefined);
    if (bus !== undefined) narrator.note(bus.at);
  }
  narrator.check("the RPO alert arrived at the webhook", webhook !== undefined);
  if (webhook !== undefined)
    narrator.note((JSON.parse(webhook.text) as { subject: string }).subject);
  const { stdout } = await fleet.dbctl.run("status");
  for (const line of stdout.trimEnd().split("\n")) narrator.note(line);
}
