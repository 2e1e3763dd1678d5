import { describeObjectStore } from "../object-store-contract.ts";
import { createMemoryStore } from "./memory-store.ts";

describeObjectStore("memory store", async () => ({
  store: createMemoryStore(),
  [Symbol.asyncDispose]: async () => {},
}));
