import { Command } from "commander";
import { createClient } from "../../core/grpc/client.ts";
import { pause } from "../../core/run-service.ts";
import { DatabasesService } from "../../proto/gen/dbctl/v1/databases_pb.ts";
import { openController } from "../controller-client.ts";
import { copiesText, type DatabaseDocument, databaseDocument } from "../output/format-database.ts";
import { formatSeconds, formatTable } from "../output/format.ts";
import { printResult } from "../output/print-result.ts";
import { jsonOption, selectorOption } from "./options.ts";

interface Flags {
  selector?: string;
  watch: boolean;
  check: boolean;
  json: boolean;
}

const watchMs = 2_000;

export function statusCommand(signal: AbortSignal): Command {
  return new Command("status")
    .description("Shows until when each database can be recovered, the worst first.")
    .addOption(selectorOption)
    .option("--watch", "show it again every two seconds", false)
    .option("--check", "exit 0 when all is well, 1 on a warning, 2 on a violation", false)
    .addOption(jsonOption)
    .addHelpText("after", "\nExample:\n  dbctl status -l env=prod --check")
    .action(async (flags: Flags) => {
      await showStatus(flags, signal);
    });
}

async function showStatus(flags: Flags, signal: AbortSignal): Promise<void> {
  const { selector = "", watch, check, json } = flags;
  using channel = await openController();
  const client = createClient(DatabasesService, channel);
  for (;;) {
    const answer = await client.listDatabases({ selector }, { signal });
    const documents = answer.databases.map(databaseDocument);
    const lines = statusLines(documents);
    const screen = watch && !json && process.stdout.isTTY ? ["\u001b[H\u001b[2J", ...lines] : lines;
    await printResult({ databases: documents }, { json, lines: screen });
    if (check) process.exitCode = checkCode(documents);
    if (!watch) return;
    await pause(watchMs, signal);
    // Ctrl-C is how watching ends.
    if (signal.aborted) return;
  }
}

export function statusLines(documents: readonly DatabaseDocument[]): string[] {
  if (documents.length === 0) return ["No databases yet."];
  const head = [
    "DATABASE",
    "RECOVERABLE UNTIL",
    "AGE",
    "RPO",
    "STATE",
    "LEVEL",
    "COPIES",
    "REASON",
  ];
  const rows = documents.map(({ name, recoverability: one }) => [
    name,
    one.until ?? "never",
    one.age_seconds === null ? "-" : formatSeconds(one.age_seconds),
    one.rpo_seconds === null ? "-" : formatSeconds(one.rpo_seconds),
    one.state,
    one.level,
    copiesText(one.copies),
    one.reason,
  ]);
  return formatTable([head, ...rows]);
}

/** As monitoring plug-ins say it: what nobody manages is a warning, what is not known a violation. */
export function checkCode(documents: readonly DatabaseDocument[]): 0 | 1 | 2 {
  const codes = documents.map(({ recoverability: { state } }) => {
    if (state === "ok") return 0;
    return state === "warning" || state === "unmanaged" ? 1 : 2;
  });
  // A fleet without databases protects nothing.
  return codes.length === 0 ? 1 : (Math.max(...codes) as 0 | 1 | 2);
}
