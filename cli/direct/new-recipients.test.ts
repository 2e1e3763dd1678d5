import assert from "node:assert/strict";
import { test } from "node:test";
import { generateIdentity } from "../../agent/repository/identity.ts";
import { makeRecipients } from "./new-recipients.ts";

test("a recipient has the name that it brings, or the one that was said beside it", async () => {
  const { recipient } = await generateIdentity();
  const making = { repository: "", now: new Date(), signal: new AbortController().signal };
  const nameOf = async (text: string, name?: string) => {
    const flags = { recipient: [text], ...(name === undefined ? {} : { name }) };
    await using made = await makeRecipients(flags, making);
    return made.recipients.map((one) => [one.name, one.recipient]);
  };
  assert.deepEqual(await nameOf(recipient), [["", recipient]]);
  assert.deepEqual(await nameOf(recipient, "ops"), [["ops", recipient]]);
  assert.deepEqual(await nameOf(`vault=${recipient}`, "ops"), [["vault", recipient]]);
});
