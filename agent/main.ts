/** Main file of an agent: looks after the databases of one host, and dials out to its controller. */
import { Command } from "commander";
import { runMain } from "../core/run-main.ts";
import { type AgentFlags, runAgent } from "./run-agent.ts";

await new Command("dbctl-agent")
  .description("Looks after the databases of this host, for a controller of dbctl.")
  .option("--config <file>", "what this host has", "/etc/dbctl/agent.yaml")
  .option("--token-file <file>", "joins the fleet with the token in this file, if not done before")
  .option("--drain-seconds <n>", "how long SIGTERM waits for running jobs", Number, 60)
  .action(async (flags: AgentFlags) => {
    await runMain((signal) => runAgent(flags, signal));
  })
  .parseAsync();
