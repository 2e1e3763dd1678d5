import assert from "node:assert/strict";
import { test } from "node:test";
import { parseAzureUrl } from "./azure-url.ts";

test("parseAzureUrl() reads container, prefix, account, service and tier", () => {
  const url = "azure://backups/a/b/?account=acme&storage-class=Cool&retries=quick";
  const { retries, ...place } = parseAzureUrl(url, {});
  assert.equal(retries.tries, 3);
  assert.deepEqual(place, {
    url: "azure://backups/a/b?account=acme&storage-class=Cool&retries=quick",
    container: "backups",
    prefix: "a/b/",
    account: "acme",
    service: "https://acme.blob.core.windows.net",
    tier: "Cool",
  });
});

test("parseAzureUrl() finds the service behind a name, and behind an address", () => {
  const serviceOf = (endpoint: string) =>
    parseAzureUrl(`azure://c01?account=acme&endpoint=${endpoint}`, {}).service;
  assert.equal(serviceOf("http://127.0.0.1:10000"), "http://127.0.0.1:10000/acme");
  assert.equal(serviceOf("http://127.0.0.1:10000/acme"), "http://127.0.0.1:10000/acme");
  assert.equal(serviceOf("https://blobs.acme.example/"), "https://blobs.acme.example");
  const { account } = parseAzureUrl("azure://c01", { AZURE_STORAGE_ACCOUNT: "acme" });
  assert.equal(account, "acme");
});

test("parseAzureUrl() refuses what it does not know, and says what to write", () => {
  const cases: [url: string, message: RegExp, remedy: RegExp][] = [
    ["azure://c01", /no account/, /AZURE_STORAGE_ACCOUNT/],
    ["azure://C?account=acme", /names no container/, /3 to 63/],
    ["azure://c01/a%20b?account=acme", /not allowed/, /letters/],
    ["azure://c01?acount=acme", /unknown parameter "acount"/, /mean account/],
    ["azure://c01?account=acme&account=acme", /twice/, /once/],
    ["azure://c01?account=acme&retries=fast", /no such preset/, /default/],
    ["azure://c01?account=acme&storage-class=Archive", /read back at once/, /Hot, Cool, Cold/],
    ["azure://c01?account=acme&endpoint=http://10.0.0.1", /without TLS/, /insecure=true/],
    ["azure://c01?account=acme&endpoint=ftp://10.0.0.1", /no http address/, /https/],
    ["azure://c01#x?account=acme", /a #/, /%23/],
    ["azure:c01", /no URL of a bucket/, /azure:\/\/container/],
  ];
  for (const [url, message, remedy] of cases)
    assert.throws(() => parseAzureUrl(url, {}), { code: "usage", message, remedy }, url);
});

test("parseAzureUrl() refuses a key in the URL without repeating it", () => {
  for (const url of [
    "azure://acme:topsecret@c01",
    "azure://c01?account=acme&key=topsecret",
    "azure://c01?account=acme&sig=topsecret",
    "azure://c01?account=acme&sas-token=topsecret",
  ])
    assert.throws(
      () => parseAzureUrl(url, {}),
      ({ code, message, remedy }) => {
        assert.equal(code, "usage");
        assert.doesNotMatch(`${message} ${remedy}`, /topsecret/);
        assert.match(remedy, /AZURE_STORAGE_KEY/);
        return true;
      },
    );
});
