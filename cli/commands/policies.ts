import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { Command } from "commander";
import { DbctlError, exitCodes } from "../../core/errors.ts";
import { createClient } from "../../core/grpc/client.ts";
import {
  type ApplyPoliciesResponse,
  type ExplainPolicyResponse,
  PoliciesService,
  type Policy,
} from "../../proto/gen/dbctl/v1/policies_pb.ts";
import {
  type PreviewRetentionResponse,
  RetentionService,
} from "../../proto/gen/dbctl/v1/retention_pb.ts";
import { openController } from "../controller-client.ts";
import { askPreview } from "../direct/ask-retention.ts";
import { fleetPreviewDocument, fleetPreviewLines } from "../output/format-fleet-preview.ts";
import { isoOf } from "../output/format-job.ts";
import { formatSeconds, formatTable } from "../output/format.ts";
import { printResult } from "../output/print-result.ts";
import { faultLines, previewFleet } from "./fleet-preview.ts";
import { jsonOption } from "./options.ts";

interface ApplyFlags {
  file: string;
  dryRun: boolean;
  json: boolean;
}

export function policiesCommand(signal: AbortSignal): Command {
  const apply = new Command("apply")
    .description("Makes the policies what a file says, all of them or none.")
    .requiredOption("-f, --file <file>", "YAML")
    .option("--dry-run", "only show what would change", false)
    .addOption(jsonOption)
    .addHelpText("after", "\nExample:\n  dbctl policies apply -f policies.yaml --dry-run")
    .action(async (flags: ApplyFlags) => {
      const yaml = await readText(flags.file);
      using channel = await openController();
      const request = { yaml, fileName: basename(flags.file), dryRun: flags.dryRun };
      const client = createClient(PoliciesService, channel);
      await printApplied(await client.applyPolicies(request, { signal }), flags);
    });
  const ls = new Command("ls")
    .description("Lists the policies in their order: the first that selects a database counts.")
    .addOption(jsonOption)
    .addHelpText("after", "\nExample:\n  dbctl policies ls")
    .action(async ({ json }: { json: boolean }) => {
      using channel = await openController();
      const { policies } = await createClient(PoliciesService, channel).listPolicies(
        {},
        { signal },
      );
      await printPolicies(policies, json);
    });
  const show = new Command("show")
    .description("Shows one policy.")
    .argument("<policy>", "its name")
    .addOption(jsonOption)
    .addHelpText("after", "\nExample:\n  dbctl policies show gold")
    .action(async (name: string, { json }: { json: boolean }) => {
      using channel = await openController();
      const client = createClient(PoliciesService, channel);
      const { policy } = await client.getPolicy({ name }, { signal });
      const document = policy === undefined ? {} : policyDocument(policy);
      const lines = Object.entries(document).map(([field, value]) => `${field}: ${show_(value)}`);
      await printResult(document, { json, lines });
    });
  const explain = new Command("explain")
    .description(
      "Shows which policy a database has, where each value comes from, and what it keeps.",
    )
    .argument("<database>", "host/database")
    .addOption(jsonOption)
    .addHelpText("after", "\nExample:\n  dbctl policies explain db7/shop")
    .action(async (database: string, { json }: { json: boolean }) => {
      using channel = await openController();
      const client = createClient(PoliciesService, channel);
      const explained = await client.explainPolicy({ database }, { signal });
      const retention = createClient(RetentionService, channel);
      const question = { database, rule: "", yaml: "" };
      const preview = await askPreview(retention, question, { signal });
      await printExplained(explained, { preview, json });
    });
  const preview = new Command("preview")
    .description("Shows which backups the policies keep, and why. Removes nothing.")
    .argument("[database]", "host/database; all unless named")
    .option("-f, --file <file>", "as if the policies of this file were applied")
    .addOption(jsonOption)
    .addHelpText("after", "\nExample:\n  dbctl policies preview db7/shop -f policies.yaml")
    .action(async (database: string | undefined, flags: { file?: string; json: boolean }) => {
      const { file: path, json } = flags;
      const file = path && { name: basename(path), yaml: await readText(path) };
      await previewFleet({ database, ...(file ? { file } : {}), json, signal });
    });
  const command = new Command("policies").description("Applies, lists and explains policies.");
  for (const verb of [apply, ls, show, explain, preview]) command.addCommand(verb);
  return command;
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw new DbctlError("file-missing", `Cannot read ${path}: ${(cause as Error).message}`, {
      remedy: "Name a file with policies",
      cause,
    });
  }
}

/** Every fault is shown, and then the exit code tells. */
async function printApplied(
  { faults, changes }: ApplyPoliciesResponse,
  { file, dryRun, json }: ApplyFlags,
): Promise<void> {
  const document = {
    applied: faults.length === 0 && !dryRun,
    faults: faults.map(({ line, column, message, remedy }) => ({ line, column, message, remedy })),
    changes: changes.map(({ policy, change }) => ({ policy, change })),
  };
  const lines =
    faults.length === 0
      ? changes.map(({ policy, change }) => `${policy}: ${dryRun ? "would be " : ""}${change}`)
      : ["Nothing was applied:", ...faultLines(faults, basename(file))];
  await printResult(document, { json, lines: lines.length === 0 ? ["No policies."] : lines });
  if (faults.length > 0) process.exitCode = exitCodes["config-invalid"];
}

function policyDocument(policy: Policy) {
  const { name, selector, schedule, timeZone, repositoryUrl, jobs, allowMissing, retries } = policy;
  const { keepDays = 0, keepLast = 0, rule = "" } = policy.retention ?? {};
  return {
    policy: name,
    selector,
    schedule,
    time_zone: timeZone,
    rpo_seconds: Number(policy.rpoSeconds),
    repository: repositoryUrl,
    repositories: repositoriesOf(policy),
    retention: { rule, keep_days: keepDays, keep_last: keepLast },
    jobs,
    allow_missing: allowMissing,
    retries,
    retry_delay_seconds: Number(policy.retryDelaySeconds),
    webhooks: policy.webhooks.map(({ url, minSeverity }) => ({ url, min_severity: minSeverity })),
    applied: isoOf(policy.appliedAt),
  };
}

/** A controller that knows of one only names that one. */
function repositoriesOf({ repositoryUrl, repositoryUrls }: Policy): string[] {
  return repositoryUrls.length === 0 ? [repositoryUrl] : repositoryUrls;
}

function show_(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

async function printPolicies(policies: readonly Policy[], json: boolean): Promise<void> {
  const rows = policies.map((policy) => [
    policy.name,
    policy.selector,
    policy.schedule,
    formatSeconds(Number(policy.rpoSeconds)),
    policy.retention?.rule ?? "",
    repositoriesOf(policy).join(" "),
  ]);
  const head = ["POLICY", "SELECTS", "SCHEDULE", "RPO", "KEEPS", "REPOSITORIES"];
  const lines = rows.length === 0 ? ["No policies yet."] : formatTable([head, ...rows]);
  await printResult({ policies: policies.map(policyDocument) }, { json, lines });
}

async function printExplained(
  explained: ExplainPolicyResponse,
  { preview, json }: { preview: PreviewRetentionResponse; json: boolean },
): Promise<void> {
  const { database, policy, settings } = explained;
  const next = isoOf(explained.nextRunAt);
  const document = {
    database,
    policy: policy === "" ? null : policy,
    settings: settings.map(({ name, value, origin }) => ({ name, value, origin })),
    next_run: next,
    retention: fleetPreviewDocument(preview),
  };
  const rows = settings.map(({ name, value, origin }) => [name, value, origin]);
  const lines =
    policy === ""
      ? [`No policy selects ${database}: it is not backed up.`]
      : [
          `${database} has policy ${policy}; next run: ${next ?? "none"}`,
          ...formatTable([["SETTING", "VALUE", "ORIGIN"], ...rows]),
          "",
          ...fleetPreviewLines(preview),
        ];
  await printResult(document, { json, lines });
}
