import { Command, Option } from "commander";
import { azureRole } from "../../agent/rights/azure-role.ts";
import { gcsBindings } from "../../agent/rights/gcs-bindings.ts";
import { rightsFormats, type RightsFormat, rightsPlace } from "../../agent/rights/rights-place.ts";
import { type RightsRequest, type Role, roles } from "../../agent/rights/role.ts";
import { s3Policy } from "../../agent/rights/s3-policy.ts";
import { DbctlError } from "../../core/errors.ts";
import { unreachable } from "../../core/unreachable.ts";
import { printResult } from "../output/print-result.ts";

interface Flags {
  role: Role;
  instance?: string;
  format?: RightsFormat;
  principal?: string;
}

export function repoRightsCommand(): Command {
  return new Command("rights")
    .description("Prints the least rights that a role needs, as a document for the store.")
    .argument("<repo-url>", "for example s3://backups/prod")
    .addOption(new Option("--role <role>", "whose rights").choices(roles).default("host"))
    .option("--instance <id>", "of a host: the server that it backs up")
    .addOption(
      new Option("--format <format>", "of which store; told by the URL").choices(rightsFormats),
    )
    .option("--principal <arn>", "S3: a policy of the bucket for this user, not of the user")
    .option("--json", "without effect: the document is JSON")
    .addHelpText(
      "after",
      "\nhost creates, restorer reads (and verifies), pruner reads and deletes, controller reads what" +
        "\ntells of backups. An instance is what dbctl backups ls --json shows: PostgreSQL's system" +
        "\nidentifier (select system_identifier from pg_control_system()), or MySQL's server_uuid." +
        "\n\nExample:\n  dbctl repo rights s3://backups/prod --role host --instance 7312… \\" +
        "\n    --principal arn:aws:iam::123456789012:user/db7",
    )
    .action(async (url: string, flags: Flags) => {
      const document = rightsDocument(url, flags);
      await printResult(document, {
        json: false,
        lines: JSON.stringify(document, undefined, 2).split("\n"),
      });
    });
}

function rightsDocument(url: string, { role, instance, principal, ...flags }: Flags): object {
  const place = rightsPlace(url);
  if (role === "host" && !/^(\*|\w[\w.=~+-]{0,119})$/.test(instance ?? ""))
    throw new DbctlError("usage", "Cannot print a host's rights: no instance is named", {
      remedy:
        "Add --instance ID; --help says where it stands. '*' is all servers of the repository",
    });
  const format = flags.format ?? place.format;
  const request: RightsRequest = { role, ...place, instance: instance ?? "*" };
  switch (format) {
    case "s3":
      return s3Policy(request, principal);
    case "azure":
      return azureRole(request);
    case "gcs":
      return { bindings: gcsBindings(request) };
    default:
      return unreachable(format);
  }
}
