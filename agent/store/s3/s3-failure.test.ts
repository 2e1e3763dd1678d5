import assert from "node:assert/strict";
import { test } from "node:test";
import { askedToWait } from "../remote/remote-failure.ts";
import { credentialSource } from "./credential-source.ts";
import { nameOf, s3Failure, statusOf } from "./s3-failure.ts";

const failed = { act: "create", object: "a in s3://b", source: "this machine's instance role" };

/** As the SDK throws it. */
function answer(name: string, status?: number, headers: Record<string, string> = {}): Error {
  const $metadata = status === undefined ? {} : { httpStatusCode: status };
  return Object.assign(new Error("some text"), { name, $metadata, $response: { headers } });
}

test("s3Failure() goes by name and status, never by text", () => {
  const codes: [error: Error, code: string, retryable: boolean][] = [
    [answer("SlowDown", 503), "store-unreachable", true],
    [answer("InternalError", 500), "store-unreachable", true],
    [answer("TooManyRequests", 429), "store-unreachable", true],
    [answer("TimeoutError"), "store-unreachable", true],
    [answer("AccessDenied", 403), "store-denied", false],
    [answer("NoSuchBucket", 404), "repository-unknown", false],
    [answer("InvalidArgument", 400), "store-io", false],
    [answer("NotImplemented", 501), "store-io", false],
    [answer("BadDigest", 400), "store-io", true],
    [answer("XAmzContentSHA256Mismatch", 400), "store-io", true],
    [answer("ConditionalRequestConflict", 409), "busy", true],
    [answer("QuotaExceeded", 403), "store-full", false],
    [answer("RequestTimeTooSkewed", 403), "store-denied", false],
    [Object.assign(new Error(), { code: "CERT_HAS_EXPIRED" }), "config-invalid", false],
    [Object.assign(new Error(), { code: "ECONNRESET" }), "store-unreachable", true],
  ];
  for (const [error, code, retryable] of codes) {
    const failure = s3Failure(error, failed);
    assert.deepEqual([failure.code, failure.retryable], [code, retryable], error.name);
    assert.match(failure.message, /^Cannot create a in s3:\/\/b: /);
    assert.doesNotMatch(failure.message, /some text/);
    assert.equal(failure.cause, error);
  }
});

test("s3Failure() names where credentials come from that are wrong or have expired", () => {
  for (const name of ["ExpiredToken", "InvalidAccessKeyId", "SignatureDoesNotMatch"]) {
    const failure = s3Failure(answer(name, 400), failed);
    assert.equal(failure.code, "store-denied");
    assert.match(failure.message, /credentials from this machine's instance role/);
    assert.match(failure.remedy, /this machine's instance role/);
  }
  const none = s3Failure(answer("CredentialsProviderError"), { ...failed, source: undefined });
  assert.equal(none.code, "store-denied");
  assert.match(none.remedy, /AWS_ACCESS_KEY_ID/);
});

test("s3Failure() keeps what the store says of waiting", () => {
  const failure = s3Failure(answer("SlowDown", 503, { "retry-after": "7" }), failed);
  assert.equal(askedToWait(failure), 7000);
  assert.equal(statusOf(failure), 503);
  assert.equal(nameOf(failure), "SlowDown");
});

test("credentialSource() says in words what the SDK marks", () => {
  const sourceOf = (...marks: string[]) =>
    credentialSource({ $source: Object.fromEntries(marks.map((mark) => [mark, "x"])) });
  assert.match(sourceOf("CREDENTIALS_ENV_VARS") ?? "", /AWS_ACCESS_KEY_ID/);
  assert.match(sourceOf("CREDENTIALS_CODE", "CREDENTIALS_PROFILE") ?? "", /shared credentials/);
  assert.match(sourceOf("CREDENTIALS_ENV_VARS_STS_WEB_ID_TOKEN") ?? "", /web identity/);
  assert.match(sourceOf("CREDENTIALS_IMDS") ?? "", /instance role/);
  assert.equal(credentialSource({}), undefined);
});
