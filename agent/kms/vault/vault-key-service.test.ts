import assert from "node:assert/strict";
import { test } from "node:test";
import { Secret } from "../../../core/secret.ts";
import { startVaultStandIn } from "../../../integration/fixtures/key-service-stand-ins.ts";
import { describeKeyService } from "../key-service-contract.ts";
import { createVaultKeyService, parseVaultUrl } from "./vault-key-service.ts";

describeKeyService("Vault's transit engine", async () => {
  const server = await startVaultStandIn("right");
  const { host } = new URL(server.address);
  const key = parseVaultUrl(`vault://${host}/transit/keys/backups?tls=false`);
  return {
    server,
    service: createVaultKeyService(key, new Secret("right")),
    stranger: createVaultKeyService(key, new Secret("wrong")),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
});

test("parseVaultUrl() wants a key, and TLS unless the service is on this machine", () => {
  const { address, mount, key } = parseVaultUrl(
    "vault://vault.example:8200/a/transit/keys/backups",
  );
  assert.deepEqual([address, mount, key], ["https://vault.example:8200", "a/transit", "backups"]);
  for (const url of [
    "vault://vault.example/transit/keys/backups?tls=false",
    "vault://user:token@vault.example/transit/keys/backups",
    "vault://vault.example/transit/backups",
    "vault:///transit/keys/backups",
    "vault://x/transit/keys/../../sys/seal",
  ])
    assert.throws(() => parseVaultUrl(url), { code: "usage" }, url);
});
