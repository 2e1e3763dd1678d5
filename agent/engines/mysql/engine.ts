import type { Secret } from "../../../core/secret.ts";
import type { Engine } from "../engine.ts";
import { listDatabases } from "./list-databases.ts";
import { openLoader } from "./loader.ts";
import { prepareTarget } from "./prepare-target.ts";
import { probe } from "./probe.ts";
import { openReader } from "./reader.ts";
import { openSnapshot } from "./snapshot.ts";
import type { MysqlTarget } from "./target.ts";

/** The engine for MySQL and MariaDB, whichever answers at the target. */
export function createMysqlEngine(login: {
  target: MysqlTarget;
  password: Secret | undefined;
}): Engine {
  return {
    probe: (options) => probe(login, options),
    listDatabases: (options) => listDatabases(login, options),
    openSnapshot: (options) => openSnapshot(login, options),
    openReader: (_, options) => openReader(login, options),
    prepareTarget: (plan, options) => prepareTarget(login, plan, options),
    openLoader: (options) => openLoader(login, options),
  };
}
