import assert from "node:assert/strict";
import { test } from "node:test";
import { retryPolicies } from "../remote/retry-policy.ts";
import { parseS3Url } from "./s3-url.ts";

const parse = (url: string, env: NodeJS.ProcessEnv = {}) => parseS3Url(url, env);

test("parseS3Url() leaves to Amazon's SDK what the URL does not say", () => {
  assert.deepEqual(parse("s3://backups/prod/main/"), {
    url: "s3://backups/prod/main",
    bucket: "backups",
    prefix: "prod/main/",
    pathStyle: false,
    conditionalPut: true,
    retries: retryPolicies.default,
  });
  assert.equal(parse("s3://backups").prefix, "");
  assert.equal(parse("s3://b-b", { AWS_REGION: "eu-west-1" }).region, "eu-west-1");
  assert.equal(parse("s3://b-b?region=x", { AWS_REGION: "eu-west-1" }).region, "x");
});

test("parseS3Url() reads every parameter", () => {
  const query = "endpoint=https://s3.example.org&region=r&path-style=false&conditional-put=false";
  assert.deepEqual(parse(`s3://bkt/a?${query}&storage-class=STANDARD_IA&retries=quick`), {
    url: `s3://bkt/a?${query}&storage-class=STANDARD_IA&retries=quick`,
    bucket: "bkt",
    prefix: "a/",
    endpoint: "https://s3.example.org",
    region: "r",
    pathStyle: false,
    conditionalPut: false,
    storageClass: "STANDARD_IA",
    retries: retryPolicies.quick,
  });
  const endpoint = "https://ceph.example.org";
  assert.equal(parse("s3://bkt", { AWS_ENDPOINT_URL_S3: endpoint }).endpoint, endpoint);
  assert.equal(parse("s3://bkt", { AWS_ENDPOINT_URL_S3: endpoint }).pathStyle, true);
});

test("parseS3Url() knows where MinIO and Backblaze are", () => {
  const minio = parse("minio://store.example.org:9000/bkt/a/b");
  assert.deepEqual(
    [minio.endpoint, minio.bucket, minio.prefix, minio.pathStyle, minio.region],
    ["https://store.example.org:9000", "bkt", "a/b/", true, "us-east-1"],
  );
  const b2 = parse("b2://bkt/a?region=us-west-004");
  assert.equal(b2.endpoint, "https://s3.us-west-004.backblazeb2.com");
  assert.deepEqual([b2.region, b2.conditionalPut], ["us-west-004", false]);
  assert.throws(() => parse("b2://bkt/a"), { code: "usage", message: /no region/ });
});

test("parseS3Url() takes plain http on loopback, and elsewhere when told that it is well", () => {
  for (const host of ["127.0.0.1:9000", "localhost:9000", "[::1]:9000"]) {
    assert.equal(parse(`s3://bkt?endpoint=http://${host}`).endpoint, `http://${host}`);
    assert.equal(parse(`minio://${host}/bkt?tls=false`).endpoint, `http://${host}`);
  }
  for (const url of ["s3://bkt?endpoint=http://h.example", "minio://h.example/bkt?tls=false"]) {
    assert.throws(() => parse(url), { code: "usage", message: /without TLS/ });
    assert.equal(parse(`${url}&insecure=true`).endpoint, "http://h.example");
  }
  const env = { AWS_ENDPOINT_URL_S3: "http://h.example" };
  assert.throws(() => parse("s3://bkt", env), { code: "usage", message: /without TLS/ });
});

test("parseS3Url() refuses keys in a URL and does not repeat them", () => {
  for (const url of [
    "s3://AKIAEXAMPLE:s3cr3t@bkt/a",
    "minio://AKIAEXAMPLE:s3cr3t@h:9000/bkt",
    "s3://bkt?endpoint=https://AKIAEXAMPLE:s3cr3t@h",
    "s3://bkt?secret-access-key=s3cr3t",
    "s3://bkt?access_key=AKIAEXAMPLE",
  ])
    assert.throws(
      () => parse(url),
      ({ code, message, remedy }: { code: string; message: string; remedy: string }) => {
        assert.equal(code, "usage");
        assert.match(remedy, /AWS_SECRET_ACCESS_KEY/);
        return !/s3cr3t|AKIA/.test(message + remedy);
      },
    );
});

test("parseS3Url() refuses what it does not know, with what was meant", () => {
  const refused = (url: string, expected: object) =>
    assert.throws(() => parse(url), { code: "usage", ...expected });
  refused("s3://bkt?regoin=x", { remedy: "Did you mean region?" });
  refused("s3://bkt?storage-class=STANDARD_AI", { remedy: "Did you mean STANDARD_IA?" });
  refused("s3://bkt?storage-class=DEEP_ARCHIVE", { message: /read back at once/ });
  refused("s3://bkt?retries=quik", { remedy: "Did you mean quick?" });
  refused("s3://bkt?region=a&region=b", { message: /twice/ });
  refused("s3://bkt?path-style=yes", { message: /neither true nor false/ });
  refused("s3://bkt?tls=false", { message: /minio/ });
  refused("s3://bkt?endpoint=ftp://x", { message: /no http address/ });
  refused("s3:///a", {});
  refused("s3://b", { message: /names no bucket/ });
  refused("minio://h:9000/", { message: /names no bucket/ });
  refused("s3://bkt/a b", { message: /other characters/ });
  refused("s3://bkt/../a/.b", { message: /other characters/ });
  refused("s3://bkt/a#b", { message: /%23/ });
  refused("s3://bkt/%zz", { message: /%/ });
});
