import { exitCodes } from "../../core/errors.ts";
import { createClient } from "../../core/grpc/client.ts";
import { formatRule, type RetentionRule } from "../../core/retention/retention-rule.ts";
import type { PolicyFault } from "../../proto/gen/dbctl/v1/policies_pb.ts";
import { RetentionService } from "../../proto/gen/dbctl/v1/retention_pb.ts";
import { openController } from "../controller-client.ts";
import { askPreview } from "../direct/ask-retention.ts";
import { fleetPreviewDocument, fleetPreviewLines } from "../output/format-fleet-preview.ts";
import { printResult } from "../output/print-result.ts";

export interface FleetPreviewFlags {
  /** host/database; all unless told. */
  database?: string | undefined;
  /** Instead of the policies' rules. */
  rule?: RetentionRule | undefined;
  /** A file of policies that are not applied yet. */
  file?: { name: string; yaml: string };
  json: boolean;
  signal: AbortSignal;
}

/** Shows what is kept of the catalog's backups, and why, by the controller's clock. */
export async function previewFleet(flags: FleetPreviewFlags): Promise<void> {
  const { file, json } = flags;
  using channel = await openController();
  const { database = "", rule, signal } = flags;
  const client = createClient(RetentionService, channel);
  const ruleText = rule === undefined ? "" : formatRule(rule);
  const question = { database, rule: ruleText, yaml: file?.yaml ?? "" };
  const preview = await askPreview(client, question, { signal });
  const faults = preview.faults.map(({ line, column, message, remedy }) => {
    return { line, column, message, remedy };
  });
  const document = { ...fleetPreviewDocument(preview), faults };
  const lines =
    faults.length > 0
      ? ["The file cannot be previewed:", ...faultLines(preview.faults, file?.name ?? "")]
      : fleetPreviewLines(preview);
  await printResult(document, { json, lines });
  if (faults.length > 0) process.exitCode = exitCodes["config-invalid"];
}

/** Each fault with its place and its remedy. */
export function faultLines(faults: readonly PolicyFault[], fileName: string): string[] {
  return faults.flatMap(({ line, column, message, remedy }) => [
    `  ${fileName}:${line}:${column}: ${message}`,
    `    → ${remedy}`,
  ]);
}
