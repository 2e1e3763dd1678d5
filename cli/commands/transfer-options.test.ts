import assert from "node:assert/strict";
import { test } from "node:test";
import { Command } from "commander";
import {
  capsOf,
  describeLimit,
  downloadLimitOption,
  refuseTransferOptions,
  type TransferFlags,
  uploadLimitOption,
} from "./transfer-options.ts";

function parse(...args: string[]): { command: Command; flags: TransferFlags } {
  const command = new Command("x").exitOverride().configureOutput({ writeErr: () => {} });
  command.addOption(uploadLimitOption).addOption(downloadLimitOption);
  command.parse(args, { from: "user" });
  return { command, flags: command.opts<TransferFlags>() };
}

test("capsOf() makes caps of the flags, and none of 0", () => {
  const { flags } = parse("--upload-limit", "800Mbps", "--download-limit", "0");
  const { upload, download } = capsOf(flags);
  assert.deepEqual([upload?.bytesPerSecond, download], [100e6, undefined]);
  assert.throws(() => parse("--upload-limit", "100"), /100 what\? Write 100MB\/s/);
});

test("describeLimit() says a limit in both units, and nothing of none", () => {
  assert.equal(describeLimit("sending", 2e6), ", sending at most 2 MB/s (16 Mbps)");
  assert.equal(describeLimit("sending", 0), "");
  assert.equal(describeLimit("sending", undefined), "");
});

test("refuseTransferOptions() refuses what was asked for, not what the environment says", () => {
  const asked = parse("--download-limit", "1MB/s").command;
  assert.throws(() => refuseTransferOptions(asked), { code: "usage", message: /--download-limit/ });
  process.env["DBCTL_UPLOAD_LIMIT"] = "1MB/s";
  try {
    const { command, flags } = parse();
    assert.equal(flags.uploadLimit, 1e6);
    refuseTransferOptions(command);
  } finally {
    delete process.env["DBCTL_UPLOAD_LIMIT"];
  }
});
