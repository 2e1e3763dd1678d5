import { timestampDate } from "@bufbuild/protobuf/wkt";
import { Command, InvalidArgumentError } from "commander";
import { createClient } from "../../core/grpc/client.ts";
import { writeSecretFile } from "../../core/secret-file.ts";
import { type Agent, AgentsService } from "../../proto/gen/dbctl/v1/agents_pb.ts";
import { openController } from "../controller-client.ts";
import { formatTable } from "../output/format.ts";
import { printResult } from "../output/print-result.ts";
import { jsonOption } from "./options.ts";

export function agentsCommand(signal: AbortSignal): Command {
  return new Command("agents")
    .description("Shows, admits and revokes the agents of the fleet.")
    .addCommand(lsCommand(signal))
    .addCommand(tokenCommand(signal))
    .addCommand(revokeCommand(signal));
}

function lsCommand(signal: AbortSignal): Command {
  return new Command("ls")
    .description("Lists the agents, by host.")
    .addOption(jsonOption)
    .addHelpText("after", "\nExample:\n  dbctl agents ls")
    .action(async ({ json }: { json: boolean }) => {
      using channel = await openController();
      const { agents } = await createClient(AgentsService, channel).listAgents({}, { signal });
      const documents = agents.map(agentDocument);
      const lines = documents.length === 0 ? ["No agents yet."] : tableOf(documents);
      await printResult({ agents: documents }, { json, lines });
    });
}

interface TokenFlags {
  ttl: number;
  label: Record<string, string>;
  out?: string;
  json: boolean;
}

function tokenCommand(signal: AbortSignal): Command {
  return new Command("token")
    .description("Makes a token with which one host can join, once.")
    .option("--ttl <duration>", "how long it can be used: 15m, 1h, 2d", parseTtl, 3600)
    .option("--label <name=value>", "a label of the host; may be repeated", addLabel, {})
    .option("--out <file>", "write it there, readable only to you, instead of showing it")
    .addOption(jsonOption)
    .addHelpText(
      "after",
      "\nExample:\n  dbctl agents token --ttl 1h --label env=prod --out db7.token",
    )
    .action(async ({ ttl: ttlSeconds, label: labels, out, json }: TokenFlags) => {
      using channel = await openController();
      const client = createClient(AgentsService, channel);
      const { token, expiresAt } = await client.createToken({ ttlSeconds, labels }, { signal });
      const ends = expiresAt === undefined ? null : timestampDate(expiresAt).toISOString();
      if (out === undefined)
        return printResult({ token, expires_at: ends }, { json, lines: [token] });
      await writeSecretFile(out, `${token}\n`);
      await printResult(
        { file: out, expires_at: ends },
        { json, lines: [`Token in ${out}, until ${ends}`] },
      );
    });
}

function revokeCommand(signal: AbortSignal): Command {
  return new Command("revoke")
    .description("Ends an agent's link now; its certificates are refused from now on.")
    .argument("<agent>", "host name or id")
    .addOption(jsonOption)
    .addHelpText("after", "\nExample:\n  dbctl agents revoke db7")
    .action(async (name: string, { json }: { json: boolean }) => {
      using channel = await openController();
      const { agent } = await createClient(AgentsService, channel).revokeAgent(
        { agent: name },
        { signal },
      );
      const document = agent === undefined ? null : agentDocument(agent);
      await printResult({ agent: document }, { json, lines: [`Revoked ${name}`] });
    });
}

const secondsOf: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400 };

function parseTtl(text: string): number {
  const [, count = "", unit = ""] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  const seconds = Number(count) * (secondsOf[unit] ?? 0);
  if (seconds > 0) return seconds;
  throw new InvalidArgumentError("expected a number with a unit, for example 15m, 1h or 2d");
}

function addLabel(text: string, labels: Record<string, string>): Record<string, string> {
  const [, name, value] = /^([\w./-]+)=([\w./:-]+)$/.exec(text) ?? [];
  if (name !== undefined && value !== undefined) return { ...labels, [name]: value };
  throw new InvalidArgumentError("expected name=value");
}

interface AgentDocument {
  id: string;
  host: string;
  state: string;
  version: string;
  labels: Record<string, string>;
  last_seen_at: string | null;
  certificate_ends_at: string | null;
  clock_skew_seconds: number;
}

function agentDocument(agent: Agent): AgentDocument {
  const { id, host, state, version, labels, lastSeenAt, certificateEndsAt } = agent;
  const time = (at: Agent["lastSeenAt"]) =>
    at === undefined ? null : timestampDate(at).toISOString();
  return {
    id,
    host,
    state,
    version,
    labels,
    last_seen_at: time(lastSeenAt),
    certificate_ends_at: time(certificateEndsAt),
    clock_skew_seconds: agent.clockSkewSeconds,
  };
}

/** A clock that is off by more is shown, so that times of that host are read with care. */
const shownSkewSeconds = 5;

function tableOf(agents: readonly AgentDocument[]): string[] {
  const head = ["HOST", "STATE", "VERSION", "LAST SEEN", "CLOCK", "LABELS"];
  const rows = agents.map((agent) => [
    agent.host,
    agent.state,
    agent.version,
    agent.last_seen_at ?? "never",
    formatSkew(agent.clock_skew_seconds),
    Object.entries(agent.labels)
      .map(([name, value]) => `${name}=${value}`)
      .join(","),
  ]);
  return formatTable([head, ...rows]);
}

function formatSkew(seconds: number): string {
  if (Math.abs(seconds) <= shownSkewSeconds) return "right";
  return `${Math.round(Math.abs(seconds))} s ${seconds > 0 ? "ahead" : "behind"}`;
}
