import assert from "node:assert/strict";
import { once } from "node:events";
import { chmod, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { makeScratchFolder } from "../../../integration/fixtures/scratch-folder.ts";
import { findAzureCredential } from "./azure-credential.ts";
import { parseAzureUrl } from "./azure-url.ts";
import { ServicePrincipal } from "./service-principal.ts";

const place = parseAzureUrl("azure://c01?account=acme", {});

test("findAzureCredential() takes a secret from a file that only we can read", async () => {
  await using folder = await makeScratchFolder("azure");
  const path = `${folder.path}/sas`;
  await writeFile(path, "?sv=1&sig=2\n", { mode: 0o600 });
  const env = { AZURE_STORAGE_SAS_TOKEN_FILE: path };
  const { source, sas } = await findAzureCredential(place, env);
  assert.deepEqual([source, sas?.reveal()], ["AZURE_STORAGE_SAS_TOKEN", "?sv=1&sig=2"]);
  await chmod(path, 0o644);
  await assert.rejects(findAzureCredential(place, env), { code: "secret-exposed" });
  const none = { AZURE_STORAGE_KEY_FILE: `${folder.path}/none` };
  await assert.rejects(findAzureCredential(place, none), { code: "config-invalid" });
});

test("findAzureCredential() wants to know whose a client's secret is", async () => {
  const alone = findAzureCredential(place, { AZURE_CLIENT_SECRET: "x" });
  await assert.rejects(alone, { code: "config-invalid", remedy: /AZURE_TENANT_ID/ });
});

test("ServicePrincipal changes a client's secret for tokens, and says when it is refused", async () => {
  const bodies: string[] = [];
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      bodies.push(`${request.url} ${body}`);
      response.writeHead(bodies.length === 1 ? 200 : 401, { "content-type": "application/json" });
      response.end(JSON.stringify({ access_token: "granted", expires_in: 3600 }));
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    const authority = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const env = {
      AZURE_AUTHORITY_HOST: authority,
      AZURE_TENANT_ID: "t",
      AZURE_CLIENT_ID: "c",
      AZURE_CLIENT_SECRET: "s&",
    };
    const { credential } = await findAzureCredential(place, env);
    assert.ok(credential instanceof ServicePrincipal);
    const { token, expiresOnTimestamp } = await credential.getToken("https://x/.default");
    assert.equal(token, "granted");
    assert.ok(Math.abs(expiresOnTimestamp - Date.now() - 3_600_000) < 10_000);
    assert.equal(
      bodies[0],
      "/t/oauth2/v2.0/token grant_type=client_credentials&client_id=c&client_secret=s%26" +
        "&scope=https%3A%2F%2Fx%2F.default",
    );
    await assert.rejects(credential.getToken("x"), { code: "store-denied", remedy: /expired/ });
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
