import { Command } from "commander";
import { createClient } from "../../core/grpc/client.ts";
import { type Alert, AlertsService } from "../../proto/gen/dbctl/v1/alerts_pb.ts";
import { openController } from "../controller-client.ts";
import { isoOf } from "../output/format-job.ts";
import { formatTable } from "../output/format.ts";
import { printResult } from "../output/print-result.ts";
import { jsonOption, limitOption } from "./options.ts";

interface Flags {
  resolved: boolean;
  limit: number;
  json: boolean;
}

export function alertsCommand(signal: AbortSignal): Command {
  const ls = new Command("ls")
    .description("Lists what is wrong now.")
    .option("--resolved", "also what was wrong", false)
    .addOption(limitOption)
    .addOption(jsonOption)
    .addHelpText("after", "\nExample:\n  dbctl alerts ls --resolved")
    .action(async ({ resolved, limit, json }: Flags) => {
      using channel = await openController();
      const client = createClient(AlertsService, channel);
      const request = { includeResolved: resolved, limit };
      await printAlerts((await client.listAlerts(request, { signal })).alerts, { json });
    });
  return new Command("alerts").description("Lists alerts.").addCommand(ls);
}

async function printAlerts(alerts: readonly Alert[], { json }: { json: boolean }): Promise<void> {
  const documents = alerts.map(({ id, kind, object, severity, state, message, ...times }) => ({
    alert: id,
    kind,
    object,
    severity,
    state,
    message,
    opened: isoOf(times.openedAt),
    resolved: isoOf(times.resolvedAt),
  }));
  const rows = documents.map(({ opened, state, severity, kind, object, message }) =>
    [opened ?? "", state, severity, kind, object, message].map(String),
  );
  const head = ["OPENED", "STATE", "SEVERITY", "KIND", "OBJECT", ""];
  const lines = rows.length === 0 ? ["No alerts."] : formatTable([head, ...rows]);
  await printResult({ alerts: documents }, { json, lines });
}
