import { Command } from "commander";
import { openRepositoryUrl } from "../direct/open-repository-url.ts";
import { printResult } from "../output/print-result.ts";
import { jsonOption } from "./options.ts";

export function repoShowCommand(signal: AbortSignal): Command {
  return new Command("show")
    .description("Shows what a repository is, and what its store can do. Needs no key.")
    .argument("<repo-url>", "for example file:///backups")
    .addOption(jsonOption)
    .addHelpText(
      "after",
      "\nWith --json it prints what dbctl repo pin --file takes, on a host that cannot read." +
        "\n\nExample:\n  dbctl repo show s3://backups/prod --json > repository.json",
    )
    .action(async (url: string, { json }: { json: boolean }) => await show(url, { json, signal }));
}

async function show(
  url: string,
  { json, signal }: { json: boolean; signal: AbortSignal },
): Promise<void> {
  const { store, repository } = await openRepositoryUrl(url, { signal });
  const { objectLock, legalHold, createOnlyBytes, storageClasses } = store.can;
  const versions = (await store.keepsVersions?.({ signal })) ?? null;
  const can = {
    versions,
    objectLock,
    legalHold,
    // JSON has no infinity.
    createOnlyBytes: Number.isFinite(createOnlyBytes) ? createOnlyBytes : null,
    storageClasses,
  };
  const lines = [
    `Repository ${repository.id}, format ${repository.format}, made ${repository.created}`,
    `Object lock: ${yesNo(objectLock)}; legal hold: ${yesNo(legalHold)}`,
    ...(store.keepsVersions === undefined ? [] : [`Keeps versions: ${versionsLine(versions)}`]),
    "",
    "Recipients:",
    ...repository.recipients.map(
      ({ recipient, name }) => `  ${recipient}${name === "" ? "" : ` (${name})`}`,
    ),
  ];
  await printResult({ url: store.url, repository, can }, { json, lines });
}

function versionsLine(kept: boolean | null): string {
  if (kept === null) return "unknown, it may not be asked";
  return kept ? "yes" : "no; a host that was taken over might write over its own objects";
}

function yesNo(can: boolean): string {
  return can ? "yes" : "no";
}
