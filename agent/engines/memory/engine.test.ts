import { describeEngine, type EngineScratch } from "../engine-contract.ts";
import { describeRestoreJournal } from "../restore-journal-contract.ts";
import { createMemoryDatabase, createMemoryEngine, createMemoryServer } from "./engine.ts";

const openEngineScratch = async (): Promise<EngineScratch> => {
  const server = createMemoryServer();
  const source = createMemoryDatabase({ items: [] });
  server.databases.set("source", source);
  let added = 0;
  return {
    at: (database) => createMemoryEngine(server, database),
    addItems: async ({ count, length }) => {
      for (let n = 0; n < count; n++)
        source.tables.get("items")?.push(String(added++).padEnd(length, "x"));
    },
    countSessions: async () => server.sessions,
    [Symbol.asyncDispose]: async () => {},
  };
};

describeEngine("memory engine", openEngineScratch);
describeRestoreJournal("memory engine", openEngineScratch);
