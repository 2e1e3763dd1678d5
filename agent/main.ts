/** Main file of an agent: looks after the databases of one host, and dials out to its controller. */
import { Command } from "commander";
import { runMain } from "../core/run-main.ts";
import { type AgentFlags, enrolHost, runAgent } from "./run-agent.ts";

const configFile = "/etc/dbctl/agent.yaml";

const enrol = new Command("enrol")
  .description("Joins the fleet: turns a one-time token into this host's key and certificate.")
  .option("--config <file>", "what this host has", configFile)
  .requiredOption("--token-file <file>", "what `dbctl agents token` gave")
  .addHelpText("after", "\nExample:\n  dbctl-agent enrol --token-file /run/dbctl-token")
  .action(async (flags: { config: string; tokenFile: string }) => {
    await runMain(async (signal) => void (await enrolHost(flags, signal)));
  });

await new Command("dbctl-agent")
  .description("Looks after the databases of this host, for a controller of dbctl.")
  .option("--config <file>", "what this host has", configFile)
  .option("--token-file <file>", "joins the fleet with the token in this file, if not done before")
  .option("--drain-seconds <n>", "how long SIGTERM waits for running jobs", Number, 60)
  .enablePositionalOptions()
  .action(async (flags: AgentFlags) => {
    await runMain((signal) => runAgent(flags, signal));
  })
  .addCommand(enrol)
  .parseAsync();
