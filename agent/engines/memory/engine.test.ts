import { describeEngine } from "../engine-contract.ts";
import { createMemoryDatabase, createMemoryEngine, createMemoryServer } from "./engine.ts";

describeEngine("memory engine", async () => {
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
});
