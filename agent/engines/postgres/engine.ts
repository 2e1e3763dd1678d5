import type { Engine } from "../engine.ts";
import { listDatabases } from "./list-databases.ts";
import { openLoader } from "./loader.ts";
import { prepareTarget } from "./prepare-target.ts";
import { probe } from "./probe.ts";
import { openReader } from "./reader.ts";
import { type Access, openLeader } from "./snapshot.ts";

/** PostgreSQL behind the engine port; ports' promises are in `../engine.ts`. */
export function createPostgresEngine(access: Access): Engine {
  return {
    probe: (options) => probe(access, options),
    listDatabases: (options) => listDatabases(access, options),
    openSnapshot: (options) => openLeader(access, options),
    openReader: (ticket, options) => openReader(access, ticket, options),
    prepareTarget: (plan, options) => prepareTarget(access, plan, options),
    openLoader: (options) => openLoader(access, options),
  };
}
