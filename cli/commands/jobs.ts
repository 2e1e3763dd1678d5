import { Command } from "commander";
import { DbctlError } from "../../core/errors.ts";
import { createClient } from "../../core/grpc/client.ts";
import { type Job, JobsService } from "../../proto/gen/dbctl/v1/jobs_pb.ts";
import { openController } from "../controller-client.ts";
import { describeState, errorOf, isoOf, jobDocument, repositoryOf } from "../output/format-job.ts";
import { printResult } from "../output/print-result.ts";
import { jsonOption, limitOption } from "./options.ts";
import { type JobsClient, printJobs, waitForJobs } from "./watch-jobs.ts";

interface ListFlags {
  state: string[];
  database: string;
  limit: number;
  json: boolean;
}

export function jobsCommand(signal: AbortSignal): Command {
  const ls = new Command("ls")
    .description("Lists jobs, the newest first.")
    .option("--state <states...>", "queued, dispatched, running, succeeded, failed, …", [])
    .option("--database <name>", "only those of host/database", "")
    .addOption(limitOption)
    .addOption(jsonOption)
    .addHelpText("after", "\nExample:\n  dbctl jobs ls --state failed lost")
    .action(async ({ state, database, limit, json }: ListFlags) => {
      await withJobs(async (client) => {
        const request = { states: state, database, limit };
        await printJobs((await client.listJobs(request, { signal })).jobs, { json });
      });
    });
  const show = new Command("show")
    .description("Shows one job.")
    .argument("<job>", "its id")
    .addOption(jsonOption)
    .addHelpText("after", "\nExample:\n  dbctl jobs show 01k3v9x0ap01k3v9x0ap")
    .action(async (id: string, { json }: { json: boolean }) => {
      await withJobs(async (client) =>
        showJob((await client.getJob({ id }, { signal })).job, json),
      );
    });
  const watch = new Command("watch")
    .description("Shows jobs until they have ended.")
    .argument("<jobs...>", "their ids")
    .addOption(jsonOption)
    .addHelpText("after", "\nExample:\n  dbctl jobs watch 01k3v9x0ap01k3v9x0ap")
    .action(async (ids: string[], { json }: { json: boolean }) => {
      await withJobs(async (client) => {
        const asked = ids.map(async (id) => (await client.getJob({ id }, { signal })).job);
        const jobs = (await Promise.all(asked)).filter((job) => job !== undefined);
        await waitForJobs(client, jobs, { json, signal });
      });
    });
  const cancel = new Command("cancel")
    .description("Cancels a job; one that has ended keeps its result.")
    .argument("<job>", "its id")
    .addOption(jsonOption)
    .addHelpText("after", "\nExample:\n  dbctl jobs cancel 01k3v9x0ap01k3v9x0ap")
    .action(async (id: string, { json }: { json: boolean }) => {
      await withJobs(async (client) =>
        showJob((await client.cancelJob({ id }, { signal })).job, json),
      );
    });
  const command = new Command("jobs").description("Lists, shows, watches and cancels jobs.");
  for (const verb of [ls, show, watch, cancel]) command.addCommand(verb);
  return command;
}

async function withJobs(work: (client: JobsClient) => Promise<void>): Promise<void> {
  using channel = await openController();
  await work(createClient(JobsService, channel));
}

async function showJob(job: Job | undefined, json: boolean): Promise<void> {
  if (job === undefined)
    throw new DbctlError("protocol-violated", "Cannot show the job: the answer holds none", {
      remedy: "Bring dbctl and the controller to one version",
    });
  const error = errorOf(job);
  const lines = [
    `Job ${job.id}: ${job.spec?.kind.case ?? "?"} of ${job.database}, attempt ${job.attempt}`,
    `Asked for by ${job.requestedBy} at ${isoOf(job.createdAt) ?? "?"}`,
    `Repository: ${repositoryOf(job)}`,
    `State: ${job.state?.kind.case ?? "?"}`,
    describeState(job),
    ...(error === undefined ? [] : [`  → ${error.remedy}`]),
  ];
  await printResult(jobDocument(job), { json, lines });
}
