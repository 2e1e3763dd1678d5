/**
 * Makes a golden repository from real servers: `node integration/golden/make-golden.ts <new folder>`,
 * as root on a machine with PostgreSQL 15 and MariaDB. Run by hand, once for each version of the
 * format; what is committed is never made again.
 */
import { cp, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { startMariadb } from "../fixtures/mariadb-server.ts";
import { type PostgresDatabase, startPostgres } from "../fixtures/postgres-server.ts";
import { psql } from "../fixtures/psql.ts";
import { type DbctlScratch, makeDbctlScratch } from "../fixtures/run-dbctl.ts";
import {
  hashMariadbTables,
  hashPostgresTables,
  makeMariadbDatabase,
  makePostgresDatabase,
  postgresChange,
  postgresUnsupported,
} from "./golden-databases.ts";
import type { GoldenBackup } from "./golden-repository.ts";

const [folder] = process.argv.slice(2);
if (folder === undefined) throw new Error("Name the new folder");
await makeGolden(folder);

async function makeGolden(into: string): Promise<void> {
  await mkdir(into);
  const identity = join(into, "test-identity.txt");
  const passphrase = join(into, "test-passphrase.txt");
  await writeFile(passphrase, "golden test passphrase, opens nothing else\n", { mode: 0o600 });
  await using dbctl = await makeDbctlScratch({ init: false });
  await dbctl.ok("repo", "init", dbctl.repo, "--identity-out", identity);
  const backups = [
    ...(await backUpPostgres(dbctl, { identity, passphrase })),
    ...(await backUpMariadb(dbctl)),
  ];
  await dbctl.ok("repo", "prune", dbctl.repo, "--confirm");
  await cp(dbctl.repoFolder, join(into, "repository"), {
    recursive: true,
    filter: (path) => !path.endsWith("/.uploads"),
  });
  await writeFile(join(into, "expected.json"), `${JSON.stringify(backups, undefined, 2)}\n`);
}

/** Three backups in two epochs; the first epoch is sealed anew to one more recipient. */
async function backUpPostgres(
  dbctl: DbctlScratch,
  { identity, passphrase }: { identity: string; passphrase: string },
): Promise<GoldenBackup[]> {
  await using server = await startPostgres(15);
  const shop = await makePostgresDatabase(server);
  const first = await backUp(dbctl, shop);
  await psql(server, shop.database, postgresChange);
  const second = await backUp(dbctl, shop);
  await dbctl.ok("repo", "keys", "add", dbctl.repo, "--new-passphrase-file", passphrase);
  await dbctl.ok("repo", "pin", dbctl.repo);
  await dbctl.ok("repo", "keys", "rotate", dbctl.repo, "--identity", identity);
  await dbctl.ok("repo", "keys", "new-epoch", dbctl.repo);
  await psql(server, shop.database, postgresUnsupported);
  const third = await backUp(dbctl, shop, "--allow-missing");

  const at = ["--repo", dbctl.repo];
  await dbctl.ok("backups", "rm", first, ...at, "--confirm", "--reason", "golden");
  await dbctl.ok("backups", "hold", second, ...at, "--reason", "golden");
  await dbctl.ok("backups", "tag", third, "golden", ...at);
  const now = await hashPostgresTables(shop);
  await psql(server, shop.database, "delete from kinds where id = 5");
  const before = await hashPostgresTables(shop);
  return [
    { name: "first", id: first, isDeleted: true, tables: before },
    { name: "deduplicated", id: second, isDeleted: false, tables: now },
    { name: "partial", id: third, isDeleted: false, tables: now },
  ];
}

async function backUpMariadb(dbctl: DbctlScratch): Promise<GoldenBackup[]> {
  await using server = await startMariadb();
  const ledger = await makeMariadbDatabase(server);
  const id = await backUp(dbctl, ledger);
  return [{ name: "mariadb", id, isDeleted: false, tables: await hashMariadbTables(ledger) }];
}

async function backUp(
  dbctl: DbctlScratch,
  {
    server,
    database,
  }: Pick<PostgresDatabase, "database"> & { server: { url(of: string): string } },
  ...more: string[]
): Promise<string> {
  const flags = ["--repo", dbctl.repo, "--jobs", "1"];
  const { backup } = await dbctl.ok("backup", server.url(database), ...flags, ...more);
  return backup;
}
