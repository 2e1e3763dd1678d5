import { Command } from "commander";
import { DbctlError } from "../../core/errors.ts";
import {
  type FleetIdentity,
  openIdentityChannel,
  readFleetIdentity,
  writeFleetIdentity,
} from "../../core/fleet-identity.ts";
import { createClient } from "../../core/grpc/client.ts";
import { AgentsService } from "../../proto/gen/dbctl/v1/agents_pb.ts";
import { loginFile } from "../controller-client.ts";
import { printResult } from "../output/print-result.ts";
import { jsonOption } from "./options.ts";

interface Flags {
  identityFile: string;
  json: boolean;
}

export function loginCommand(signal: AbortSignal): Command {
  return new Command("login")
    .description("Logs in at a controller; later commands with fleet names go there.")
    .argument("[controller]", "host:port; the identity file's own when it is left out")
    .requiredOption("--identity-file <file>", "your identity, as the controller made it")
    .addOption(jsonOption)
    .addHelpText("after", "\nExample:\n  dbctl login ctl.example:7400 --identity-file admin.json")
    .action(async (controller: string | undefined, flags: Flags) => {
      await logIn({ controller, ...flags }, signal);
    });
}

async function logIn(
  { controller, identityFile, json }: Flags & { controller: string | undefined },
  signal: AbortSignal,
): Promise<void> {
  const found = await readFleetIdentity(identityFile);
  if (found === undefined) throw noFile(identityFile);
  const identity: FleetIdentity = { ...found, address: controller ?? found.address };
  // Nothing is saved that does not work.
  using channel = openIdentityChannel(identity);
  await createClient(AgentsService, channel).listAgents({}, { signal });
  const path = loginFile(process.env);
  await writeFleetIdentity(path, identity);
  const { name, address } = identity;
  const lines = [`Logged in at ${address} as ${name}; saved in ${path}`];
  await printResult({ controller: address, user: name, file: path }, { json, lines });
}

function noFile(path: string): DbctlError {
  return new DbctlError("file-missing", `Cannot log in: there is no file ${path}`, {
    remedy:
      "A controller writes its first one into its state folder; other users get theirs from an admin",
  });
}
