import { type Command, InvalidArgumentError, Option } from "commander";
import { createTransferCap, type TransferCaps } from "../../agent/store/transfer-limit.ts";
import { formatRate, parseRate } from "../../agent/store/transfer-rate.ts";
import { DbctlError } from "../../core/errors.ts";

// Caps on what goes to a repository and comes from it, for the commands that move much.

/** Bytes per second; 0 is no limit. */
export interface TransferFlags {
  uploadLimit?: number;
  downloadLimit?: number;
}

export const uploadLimitOption = new Option(
  "--upload-limit <rate>",
  "send to the repository at most so much: 100MB/s, 100MiB/s, 800Mbps; 0 is no limit",
)
  .env("DBCTL_UPLOAD_LIMIT")
  .argParser(parseLimit);

export const downloadLimitOption = new Option(
  "--download-limit <rate>",
  "read from the repository at most so much: 100MB/s, 100MiB/s, 800Mbps; 0 is no limit",
)
  .env("DBCTL_DOWNLOAD_LIMIT")
  .argParser(parseLimit);

function parseLimit(text: string): number {
  try {
    return parseRate(text);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}

/** One cap for all threads of the job. */
export function capsOf({ uploadLimit = 0, downloadLimit = 0 }: TransferFlags): TransferCaps {
  const upload = createTransferCap(uploadLimit);
  const download = createTransferCap(downloadLimit);
  return {
    ...(upload === undefined ? {} : { upload }),
    ...(download === undefined ? {} : { download }),
  };
}

/** For the line of progress, in both units; empty where nothing is limited. */
export function describeLimit(act: string, bytesPerSecond: number | undefined): string {
  if (bytesPerSecond === undefined || bytesPerSecond === 0) return "";
  return `, ${act} at most ${formatRate(bytesPerSecond)}`;
}

/** The fleet's hosts do the work there. */
export function refuseTransferOptions(command: Command): void {
  for (const [name, flag] of [
    ["uploadLimit", "--upload-limit"],
    ["downloadLimit", "--download-limit"],
  ] as const)
    if (command.getOptionValueSource(name) === "cli")
      throw new DbctlError("usage", `Cannot use ${flag}: a host of the fleet does the work`, {
        remedy: "Leave it out, or set DBCTL_UPLOAD_LIMIT and DBCTL_DOWNLOAD_LIMIT for its agent",
      });
}
