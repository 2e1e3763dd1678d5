import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import fc from "fast-check";
import { formatCommandLine } from "./command-line.ts";

test("formatCommandLine() quotes only what a shell would take for something else", () => {
  const words = ["dbctl", "restore", "--to", "postgres:///shop?host=/run", "it's"];
  const line = `dbctl restore --to 'postgres:///shop?host=/run' 'it'\\''s'`;
  assert.equal(formatCommandLine(words), line);
});

test("formatCommandLine() gives a shell the same words", () => {
  const word = fc.string({ minLength: 0, maxLength: 12 }).filter((text) => !text.includes("\0"));
  fc.assert(
    fc.property(fc.array(word, { minLength: 1, maxLength: 4 }), (words) => {
      const line = formatCommandLine(["printf", String.raw`%s\0`, ...words]);
      const printed = execFileSync("/bin/sh", ["-c", line]).toString();
      assert.equal(printed, words.map((one) => `${one}\0`).join(""));
    }),
    { numRuns: 40 },
  );
});
