import { readFile } from "node:fs/promises";
import { Command } from "commander";
import {
  type RepositoryInfo,
  repositoryInfoShape,
} from "../../agent/repository/open-repository.ts";
import { writePin } from "../../agent/repository/repository-pin.ts";
import { DbctlError } from "../../core/errors.ts";
import { openRepositoryUrl } from "../direct/open-repository-url.ts";
import { stateFolder } from "../direct/state-folder.ts";
import { printResult } from "../output/print-result.ts";
import { jsonOption } from "./options.ts";

interface Flags {
  file?: string;
  json: boolean;
}

export function repoPinCommand(signal: AbortSignal): Command {
  return new Command("pin")
    .description("Keeps what a repository is on this host: its id and to whom backups are sealed.")
    .argument("<repo-url>", "as it stands in --repo, or in the fleet's policies")
    .option("--file <file>", "what dbctl repo show --json has printed, where it may be read")
    .addOption(jsonOption)
    .addHelpText(
      "after",
      "\nA host that may only create objects needs it before its first backup. Any other pins at its" +
        "\nfirst backup. Afterwards a repository with another id or other recipients is refused until" +
        "\nit is pinned again. The pin is in DBCTL_STATE_DIR; for an agent, its state_dir." +
        "\n\nExamples:\n  dbctl repo pin s3://backups/prod --file repository.json" +
        "\n  dbctl repo pin file:///backups",
    )
    .action(async (url: string, flags: Flags) => await pin(url, { ...flags, signal }));
}

async function pin(url: string, { file, json, signal }: Flags & { signal: AbortSignal }) {
  const repository =
    file === undefined
      ? (await openRepositoryUrl(url, { signal })).repository
      : await readRepositoryFile(file);
  const stateDir = stateFolder(process.env, process.getuid?.());
  await writePin(repository, { stateDir, url, now: new Date() });
  const { id, recipients } = repository;
  const lines = [
    `Pinned ${url} as repository ${id}. Backups of this host are sealed to:`,
    ...recipients.map(({ recipient, name }) => `  ${recipient}${name === "" ? "" : ` (${name})`}`),
    "Compare them with what the keys' holders know.",
  ];
  const document = {
    repository: id,
    url,
    recipients: recipients.map(({ recipient, name }) => ({ recipient, name })),
  };
  await printResult(document, { json, lines });
}

async function readRepositoryFile(file: string): Promise<RepositoryInfo> {
  try {
    const document: unknown = JSON.parse(await readFile(file, "utf8"));
    const { repository } = document as { repository?: unknown };
    return repositoryInfoShape(repository, "repository");
  } catch (cause) {
    const isMissing = (cause as NodeJS.ErrnoException).code === "ENOENT";
    const what = isMissing ? "there is no such file" : (cause as Error).message;
    throw new DbctlError(isMissing ? "file-missing" : "usage", `Cannot pin ${file}: ${what}`, {
      remedy: "Make it where the repository may be read: dbctl repo show URL --json > FILE",
      cause,
    });
  }
}
