// Compiles the row scanner to WebAssembly and writes it as a TypeScript constant, which is
// committed so that nobody needs the compiler to run dbctl. With --check: fails when the committed
// file is not what the source gives.
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import asc from "assemblyscript/asc";

const source = "agent/pipeline/assembly/row-scanner.ts";
const target = "agent/pipeline/gen/row-scanner-wasm.ts";
const root = new URL("../..", import.meta.url).pathname;
process.chdir(root);

/** Pages of 64 KiB: input and chunk buffers, nothing else. */
const pages = "80";
const outputs = new Map();
const { error } = await asc.main(
  [source, "--outFile", "out.wasm", "-O3", "--noAssert", "--runtime", "stub"].concat([
    "--initialMemory",
    pages,
    "--maximumMemory",
    pages,
    "--enable",
    "bulk-memory",
  ]),
  { writeFile: (name, bytes) => void outputs.set(name, bytes) },
);
if (error !== null) {
  console.error(`${source}: ${error.message}`);
  process.exit(1);
}
const base64 = Buffer.from(outputs.get("out.wasm")).toString("base64");
const lines = base64.match(/.{1,96}/g).map((line) => `  "${line}",`);
const text = `// Made from ${source} by \`npm run generate\`. Do not edit.
export const rowScannerWasm: string = [
${lines.join("\n")}
].join("");
`;
if (!process.argv.includes("--check")) writeFileSync(target, text);
else if (readFileSync(target, "utf8") !== text) {
  console.error(`${target} is not what ${source} gives: run \`npm run generate\``);
  process.exit(1);
}
