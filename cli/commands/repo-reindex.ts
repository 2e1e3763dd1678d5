import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { Command } from "commander";
import { rebuildIndex } from "../../agent/repository/host-state.ts";
import { DbctlError } from "../../core/errors.ts";
import { openRepositoryUrl } from "../direct/open-repository-url.ts";
import { stateFolder } from "../direct/state-folder.ts";
import { printResult } from "../output/print-result.ts";
import { jsonOption } from "./options.ts";

interface ReindexFlags {
  instance?: string;
  json: boolean;
  signal: AbortSignal;
}

export function repoReindexCommand(signal: AbortSignal): Command {
  return new Command("reindex")
    .description("Makes this host's list of stored chunks anew, from the repository's packs.")
    .argument("<repo-url>", "for example file:///backups")
    .option("--instance <id>", "of this server only; without it, of all that this host backs up")
    .addOption(jsonOption)
    .addHelpText(
      "after",
      "\nA lost list is made anew by the next backup; this is for one that cannot be used." +
        "\nRuns on the host that backs up, whose DBCTL_STATE_DIR it works on; the host must be able to" +
        "\nread the repository. Another host goes on with dbctl backup --fresh-epoch." +
        "\n\nExample:\n  dbctl repo reindex file:///backups",
    )
    .action(async (url: string, flags: Omit<ReindexFlags, "signal">) => {
      await reindex(url, { ...flags, signal });
    });
}

async function reindex(url: string, { instance, json, signal }: ReindexFlags): Promise<void> {
  const { store, repository } = await openRepositoryUrl(url, { signal });
  const stateDir = stateFolder(process.env, process.getuid?.());
  const instances =
    instance === undefined ? await instancesIn(join(stateDir, repository.id)) : [instance];
  const done: object[] = [];
  const lines: string[] = [];
  for (const one of instances) {
    const made = await rebuildIndex({ stateDir, repository, instance: one, store, signal });
    if (made === undefined) continue;
    done.push({ instance: one, ...made });
    lines.push(`Server ${one}: ${made.added} packs are known again.`);
    for (const pack of made.unreadable)
      lines.push(`  ${pack} cannot be read: its chunks will be stored again`);
  }
  if (done.length === 0)
    throw new DbctlError("file-missing", `Cannot find a state of this repository in ${stateDir}`, {
      remedy: "Run it on the host that backs up, as the user that does; or set DBCTL_STATE_DIR",
    });
  await printResult({ repository: repository.id, instances: done }, { json, lines });
}

async function instancesIn(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
