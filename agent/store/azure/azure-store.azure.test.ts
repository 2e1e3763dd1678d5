import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type Azurite, startAzurite } from "../../../integration/fixtures/azurite.ts";
import { startCuttableLink } from "../../../integration/fixtures/cuttable-link.ts";
import { findFreePort } from "../../../integration/fixtures/free-port.ts";
import { startImmutableBlobs } from "../../../integration/fixtures/immutable-blobs.ts";
import { describeObjectLocks, describeObjectStore } from "../object-store-contract.ts";
import { openAzureStore } from "./azure-store.ts";

const { signal } = new AbortController();
let azurite: Azurite;
before(async () => {
  azurite = await startAzurite();
});
after(() => azurite[Symbol.asyncDispose]());

describeObjectStore("azure store", async () => {
  const link = await startCuttableLink();
  link.leadTo(azurite.address);
  const url = azurite.urlOf(await azurite.makeContainer(), { address: link.address });
  const store = await openAzureStore(url, { env: { AZURE_STORAGE_KEY: azurite.key }, signal });
  return {
    store,
    silence: () => link.cut(),
    [Symbol.asyncDispose]: () => link[Symbol.asyncDispose](),
  };
});

describeObjectLocks("azure store in a container with immutable versions", async () => {
  const front = await startImmutableBlobs(azurite.address);
  const url = azurite.urlOf(await azurite.makeContainer(), { address: front.address });
  const store = await openAzureStore(url, { env: { AZURE_STORAGE_KEY: azurite.key }, signal });
  assert.deepEqual([store.can.objectLock, store.can.legalHold], [true, true]);
  return { store, [Symbol.asyncDispose]: () => front[Symbol.asyncDispose]() };
});

describe("openAzureStore()", () => {
  const quick = "&retries=quick";
  const look = async (url: string, env: NodeJS.ProcessEnv) => {
    const store = await openAzureStore(url, { env, signal });
    await store.put("a", [], { signal });
  };

  test("names the variable of credentials that are refused", async () => {
    const container = await azurite.makeContainer();
    const key = Buffer.alloc(64).toString("base64");
    const wrong: [NodeJS.ProcessEnv, RegExp][] = [
      [{ AZURE_STORAGE_KEY: key }, /Check AZURE_STORAGE_KEY/],
      [{ AZURE_STORAGE_SAS_TOKEN: "sv=2025-01-05&sig=x" }, /Check AZURE_STORAGE_SAS_TOKEN/],
      [{}, /Set AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN/],
    ];
    for (const [env, remedy] of wrong) {
      const opened = look(azurite.urlOf(container), env);
      await assert.rejects(opened, { code: "store-denied", remedy });
    }
  });

  test("takes a shared access signature that may only create, and nothing else with it", async () => {
    const container = await azurite.makeContainer();
    const sas = await azurite.signatureOf(container, "c");
    const url = azurite.urlOf(container);
    const store = await openAzureStore(url, { env: { AZURE_STORAGE_SAS_TOKEN: sas }, signal });
    await store.put("a", [Buffer.from("abc")], { signal });
    const denied = { code: "store-denied", remedy: /AZURE_STORAGE_SAS_TOKEN/ };
    // To replace needs another right, and the service asks for it first.
    await assert.rejects(store.put("a", [], { signal }), denied);
    await assert.rejects(store.head("a", { signal }), denied);
    await assert.rejects(Array.fromAsync(store.get("a", { signal })), denied);
    await assert.rejects(Array.fromAsync(store.list("", { signal })), denied);
    await assert.rejects(store.delete("a", { signal }), denied);
  });

  test("says that there is no such container", async () => {
    const env = { AZURE_STORAGE_KEY: azurite.key };
    const unknown = { code: "repository-unknown" };
    await assert.rejects(look(azurite.urlOf("none"), env), unknown);
  });

  test("gives up soon when the server is gone", async () => {
    const address = `127.0.0.1:${await findFreePort()}`;
    const url = azurite.urlOf("none", { address, more: quick });
    const began = performance.now();
    const opened = look(url, { AZURE_STORAGE_KEY: azurite.key });
    await assert.rejects(opened, { code: "store-unreachable" });
    assert.ok(performance.now() - began < 30_000);
  });

  test("puts packs, and only them, into the tier of the URL", async () => {
    const container = await azurite.makeContainer();
    const url = azurite.urlOf(container, { more: "&storage-class=Cool" });
    const store = await openAzureStore(url, { env: { AZURE_STORAGE_KEY: azurite.key }, signal });
    await store.put("pack", [Buffer.from("x")], { bulk: true, signal });
    await store.put("manifest", [Buffer.from("x")], { signal });
    const large = Buffer.alloc(store.can.createOnlyBytes + 1);
    await store.put("large", [large], { bulk: true, signal });
    const blobs = azurite.service.getContainerClient(container);
    const tiers = ["pack", "manifest", "large"].map(async (key) => {
      const found = await blobs.getBlobClient(`some/prefix/${key}`).getProperties();
      return found.accessTier;
    });
    assert.deepEqual(await Promise.all(tiers), ["Cool", "Hot", "Cool"]);
  });

  test("claims no locks where the container has none", async () => {
    const url = azurite.urlOf(await azurite.makeContainer());
    const store = await openAzureStore(url, { env: { AZURE_STORAGE_KEY: azurite.key }, signal });
    assert.deepEqual(
      [store.can.objectLock, store.can.legalHold, store.locks],
      [false, false, undefined],
    );
  });
});
