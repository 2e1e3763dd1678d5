import { describeObjectStore } from "../object-store-contract.ts";
import { createRemoteStore } from "./remote-store.ts";
import { createScratchClient } from "./scratch-client.ts";

describeObjectStore("remote store", async () => {
  const client = createScratchClient({ pageSize: 7 });
  return {
    store: createRemoteStore(client),
    silence: () => {
      client.script = () => ({ kind: "fall-silent" });
    },
    [Symbol.asyncDispose]: async () => {},
  };
});
