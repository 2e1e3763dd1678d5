// Generates proto/gen from proto/dbctl, which is committed so that nobody needs buf to run dbctl.
// With --check: fails when what is committed is not what the definitions give, and when a
// definition breaks those of the last commit (`buf breaking`).
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";

const root = new URL("../..", import.meta.url).pathname;
process.chdir(root);
const bin = join(root, "node_modules", ".bin");
const env = { ...process.env, PATH: `${bin}:${process.env.PATH}` };
const buf = (...args) => execFileSync(join(bin, "buf"), args, { env, stdio: "inherit" });

if (!process.argv.includes("--check")) {
  rmSync("proto/gen", { recursive: true, force: true });
  buf("generate");
} else {
  checkFresh();
  checkBreaking();
}

function checkFresh() {
  const work = mkdtempSync(join(tmpdir(), "dbctl-proto-"));
  try {
    for (const name of ["proto", "buf.yaml", "buf.gen.yaml"])
      cpSync(name, join(work, name), { recursive: true });
    rmSync(join(work, "proto", "gen"), { recursive: true });
    execFileSync(join(bin, "buf"), ["generate"], { cwd: work, env, stdio: "inherit" });
    const read = (base) => {
      const folder = join(base, "proto", "gen", "dbctl", "v1");
      return readdirSync(folder)
        .toSorted()
        .map((name) => `${name}\n${readFileSync(join(folder, name), "utf8")}`)
        .join("");
    };
    if (read(work) !== read(root)) fail("proto/gen is not what proto/dbctl gives");
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Against the first commit that has definitions: what was ever released stays readable. */
function checkBreaking() {
  const git = (...args) => execFileSync("git", args, { encoding: "utf8" }).trim();
  const has = git("ls-tree", "--name-only", "HEAD", "buf.yaml");
  if (has !== "") buf("breaking", "--against", ".git#ref=HEAD");
}

function fail(what) {
  console.error(`${what}: run \`npm run generate\``);
  process.exit(1);
}
