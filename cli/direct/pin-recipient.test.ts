import assert from "node:assert/strict";
import { stat } from "node:fs/promises";
import { test } from "node:test";
import { makeScratchFolder } from "../../integration/fixtures/scratch-folder.ts";
import { pinRecipient } from "./pin-recipient.ts";

test("pinRecipient() keeps the first key of a host's agent and refuses another one", async () => {
  await using folder = await makeScratchFolder("pins");
  const path = `${folder.path}/dbctl/known-agents.json`;
  const pin = { controller: "c:7400", host: "db1", recipient: "age1one" };
  await pinRecipient(pin, path);
  await pinRecipient(pin, path);
  await pinRecipient({ ...pin, host: "db2", recipient: "age1two" }, path);
  const other = pinRecipient({ ...pin, recipient: "age1three" }, path);
  await assert.rejects(other, { code: "identity-wrong", message: /its own key has changed/ });
  await pinRecipient(pin, path);
  assert.equal((await stat(path)).mode & 0o777, 0o600);
});
