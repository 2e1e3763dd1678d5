import { Command } from "commander";
import { DbctlError } from "../../core/errors.ts";
import { createClient } from "../../core/grpc/client.ts";
import { type Database, DatabasesService } from "../../proto/gen/dbctl/v1/databases_pb.ts";
import { openController } from "../controller-client.ts";
import { copiesText, type DatabaseDocument, databaseDocument } from "../output/format-database.ts";
import { formatBytes, formatTable } from "../output/format.ts";
import { printResult } from "../output/print-result.ts";
import { jsonOption, selectorOption } from "./options.ts";

export function databasesCommand(signal: AbortSignal): Command {
  const ls = new Command("ls")
    .description("Lists the databases of the fleet.")
    .addOption(selectorOption)
    .addOption(jsonOption)
    .addHelpText("after", "\nExample:\n  dbctl databases ls -l env=prod")
    .action(async ({ selector = "", json }: { selector?: string; json: boolean }) => {
      using channel = await openController();
      const client = createClient(DatabasesService, channel);
      const { databases } = await client.listDatabases({ selector }, { signal });
      await printDatabases(databases, { json });
    });
  const show = new Command("show")
    .description("Shows one database.")
    .argument("<database>", "host/database")
    .addOption(jsonOption)
    .addHelpText("after", "\nExample:\n  dbctl databases show db7/shop")
    .action(async (name: string, { json }: { json: boolean }) => {
      using channel = await openController();
      const client = createClient(DatabasesService, channel);
      await showDatabase((await client.getDatabase({ name }, { signal })).database, json);
    });
  return new Command("databases")
    .description("Lists and shows the databases of the fleet.")
    .addCommand(ls)
    .addCommand(show);
}

async function printDatabases(
  databases: readonly Database[],
  { json }: { json: boolean },
): Promise<void> {
  const rows = databases
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, instance, engine, version, size, policy, labels }) => [
      name,
      instance,
      `${engine} ${version}`,
      formatBytes(Number(size)),
      policy === "" ? "none" : policy,
      labelText(labels),
    ]);
  const head = ["DATABASE", "INSTANCE", "ENGINE", "SIZE", "POLICY", "LABELS"];
  const lines = rows.length === 0 ? ["No databases yet."] : formatTable([head, ...rows]);
  await printResult({ databases: databases.map(databaseDocument) }, { json, lines });
}

async function showDatabase(database: Database | undefined, json: boolean): Promise<void> {
  if (database === undefined)
    throw new DbctlError("protocol-violated", "Cannot show the database: the answer holds none", {
      remedy: "Bring dbctl and the controller to one version",
    });
  const document = databaseDocument(database);
  const { until, state, level, reason, copies } = document.recoverability;
  const { name, instance, engine, version, size, policy, labels } = database;
  const lines = [
    `${name}: ${engine} ${version}, instance ${instance}, ${formatBytes(Number(size))}`,
    `Policy: ${policy === "" ? "none" : policy}; labels: ${labelText(labels) || "none"}`,
    `Recoverable until: ${until ?? "never"} (${state}, ${level})`,
    ...(reason === "" ? [] : [reason]),
    `Copies: ${copiesText(copies)}`,
    ...copies.map((copy) => `  ${copy.repository}: ${newestText(copy)}`),
  ];
  await printResult(document, { json, lines });
}

function newestText({
  backup,
  until,
  good,
  verified,
}: DatabaseDocument["recoverability"]["copies"][0]): string {
  if (backup === null) return "no good backup";
  const words = [verified ? "verified" : "stored", ...(good ? [] : ["older than the RPO"])];
  return `newest good backup ${backup} of ${until ?? "?"} (${words.join(", ")})`;
}

function labelText(labels: Record<string, string>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(",");
}
