import assert from "node:assert/strict";
import { test } from "node:test";
import { parseGcsUrl } from "./gcs-url.ts";

test("parseGcsUrl() reads bucket, prefix, endpoint and storage class", () => {
  const url = "gcs://acme.backups/a/b?endpoint=http://127.0.0.1:9/&storage-class=COLDLINE";
  const { retries, ...place } = parseGcsUrl(url);
  assert.equal(retries.tries, 5);
  assert.deepEqual(place, {
    url,
    bucket: "acme.backups",
    prefix: "a/b/",
    endpoint: "http://127.0.0.1:9",
    storageClass: "COLDLINE",
  });
  assert.equal(parseGcsUrl("gs://backups").endpoint, undefined);
});

test("parseGcsUrl() refuses what it does not know, and keys", () => {
  const cases: [url: string, message: RegExp, remedy: RegExp][] = [
    ["gs://B", /names no bucket/, /a-z/],
    ["gs://backups?region=eu", /unknown parameter "region"/, /endpoint/],
    ["gs://backups?storage-class=NEARLIN", /read back/, /mean NEARLINE/],
    ["gs://backups?endpoint=http://storage.example", /without TLS/, /insecure/],
    ["gs://backups?credentials=x", /a key stands in it/, /GOOGLE_APPLICATION_CREDENTIALS/],
    ["gs://user:x@backups", /a key stands in it/, /GOOGLE_APPLICATION_CREDENTIALS/],
  ];
  for (const [url, message, remedy] of cases)
    assert.throws(() => parseGcsUrl(url), { code: "usage", message, remedy }, url);
});
