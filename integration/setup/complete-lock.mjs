// Run after `npm install` has changed package-lock.json. A registry that does not hold a package
// for every platform makes npm leave those out of the lock file, and then `npm ci` refuses it on
// every platform. This adds an entry, with the platform its name tells, for each that is missing.
import { readFileSync, writeFileSync } from "node:fs";

const file = new URL("../../package-lock.json", import.meta.url);
const lock = JSON.parse(readFileSync(file, "utf8"));
const systems = ["aix", "android", "darwin", "freebsd", "linux", "openharmony", "sunos", "win32"];
/** Words for a processor in packages' names, and what npm calls it. */
const processors = {
  arm64: "arm64",
  aarch64: "arm64",
  x64: "x64",
  ia32: "ia32",
  arm: "arm",
  armv7: "arm",
  ppc64: "ppc64",
  riscv64: "riscv64",
  s390x: "s390x",
  loong64: "loong64",
  wasm32: "wasm32",
};

for (const parent of Object.values({ ...lock.packages })) {
  for (const [name, version] of Object.entries(parent.optionalDependencies ?? {})) {
    const place = `node_modules/${name}`;
    if (lock.packages[place] !== undefined) continue;
    const words = name.split("/").at(-1).split("-");
    const os = systems.filter((system) => words.includes(system));
    const cpu = words.flatMap((word) => processors[word] ?? []).slice(0, 1);
    if (os.length !== 1 || cpu.length !== 1) throw new Error(`Cannot tell the platform of ${name}`);
    const libc = words.some((word) => word.startsWith("musl")) ? { libc: ["musl"] } : {};
    const dev = parent.dev === true ? { dev: true } : {};
    lock.packages[place] = { version, ...dev, optional: true, os, cpu, ...libc };
  }
}
const { "": root, ...packages } = lock.packages;
const sorted = Object.entries(packages).toSorted(([a], [b]) => (a < b ? -1 : 1));
lock.packages = { "": root, ...Object.fromEntries(sorted) };
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
