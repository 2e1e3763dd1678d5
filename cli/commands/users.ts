import { timestampDate } from "@bufbuild/protobuf/wkt";
import { Command, Option } from "commander";
import { writeFleetIdentity } from "../../core/fleet-identity.ts";
import { createClient } from "../../core/grpc/client.ts";
import { UsersService } from "../../proto/gen/dbctl/v1/users_pb.ts";
import { openController } from "../controller-client.ts";
import { formatTable } from "../output/format.ts";
import { printResult } from "../output/print-result.ts";
import { jsonOption } from "./options.ts";

export function usersCommand(signal: AbortSignal): Command {
  return new Command("users")
    .description("Shows, adds and revokes the people who may use the controller.")
    .addCommand(lsCommand(signal))
    .addCommand(addCommand(signal))
    .addCommand(revokeCommand(signal));
}

function lsCommand(signal: AbortSignal): Command {
  return new Command("ls")
    .description("Lists the users, by name.")
    .addOption(jsonOption)
    .addHelpText("after", "\nExample:\n  dbctl users ls")
    .action(async ({ json }: { json: boolean }) => {
      using channel = await openController();
      const { users } = await createClient(UsersService, channel).listUsers({}, { signal });
      const documents = users.map(({ name, role, createdAt, revokedAt }) => ({
        name,
        role,
        created_at: createdAt === undefined ? null : timestampDate(createdAt).toISOString(),
        revoked_at: revokedAt === undefined ? null : timestampDate(revokedAt).toISOString(),
      }));
      const rows = documents.map((one) => [one.name, one.role, one.revoked_at ?? "-"]);
      const lines = formatTable([["USER", "ROLE", "REVOKED"], ...rows]);
      await printResult({ users: documents }, { json, lines });
    });
}

interface AddFlags {
  role: string;
  out: string;
  json: boolean;
}

function addCommand(signal: AbortSignal): Command {
  const role = new Option("--role <role>", "what they may do")
    .choices(["viewer", "operator", "admin"])
    .makeOptionMandatory();
  return new Command("add")
    .description("Adds a user: writes the identity file with which they log in.")
    .argument("<name>", "small letters and digits")
    .addOption(role)
    .requiredOption("--out <file>", "the identity file, readable only to you; give it to them")
    .addOption(jsonOption)
    .addHelpText("after", "\nExample:\n  dbctl users add ann --role operator --out ann.json")
    .action(async (name: string, flags: AddFlags) => {
      await add(name, flags, signal);
    });
}

async function add(
  name: string,
  { role, out, json }: AddFlags,
  signal: AbortSignal,
): Promise<void> {
  // Loaded by this command only: certificates take half a second to learn.
  const x509 = await import("../../core/x509/key-pair.ts");
  const keys = await x509.makeKeyPair();
  const certificateRequest = await x509.makeCertificateRequest(keys);
  using channel = await openController();
  const { address } = channel;
  const client = createClient(UsersService, channel);
  const answer = await client.addUser({ name, role, certificateRequest }, { signal });
  const { certificate, caCertificate: ca } = answer;
  const key = await x509.exportPrivateKey(keys);
  await writeFleetIdentity(out, { format: 1, kind: "user", name, address, ca, certificate, key });
  const lines = [`Added ${name} as ${role}; their identity is in ${out}`];
  await printResult({ user: name, role, file: out }, { json, lines });
}

function revokeCommand(signal: AbortSignal): Command {
  return new Command("revoke")
    .description("Ends a user's calls now; their identity is refused from now on.")
    .argument("<name>")
    .addOption(jsonOption)
    .addHelpText("after", "\nExample:\n  dbctl users revoke ann")
    .action(async (name: string, { json }: { json: boolean }) => {
      using channel = await openController();
      await createClient(UsersService, channel).revokeUser({ name }, { signal });
      await printResult({ revoked: name }, { json, lines: [`Revoked ${name}`] });
    });
}
