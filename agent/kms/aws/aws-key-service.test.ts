import assert from "node:assert/strict";
import { test } from "node:test";
import { startAwsKmsStandIn } from "../../../integration/fixtures/key-service-stand-ins.ts";
import { describeKeyService } from "../key-service-contract.ts";
import { createAwsKeyService, parseAwsKmsUrl } from "./aws-key-service.ts";

const names = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] as const;

describeKeyService("AWS KMS", async () => {
  const server = await startAwsKmsStandIn("AKIARIGHT");
  const url = `awskms:///alias/backups?region=eu-central-1&endpoint=${server.address}`;
  const before = names.map((name) => process.env[name]);
  const withKey = (id: string) => {
    process.env.AWS_ACCESS_KEY_ID = id;
    process.env.AWS_SECRET_ACCESS_KEY = "secret";
  };
  const service = createAwsKeyService(parseAwsKmsUrl(url));
  const stranger = createAwsKeyService(parseAwsKmsUrl(url));
  withKey("AKIAWRONG");
  await stranger
    .wrap(
      Buffer.from("x"),
      { repository: "", recipient: "" },
      {
        signal: AbortSignal.timeout(10_000),
      },
    )
    .catch(() => {});
  withKey("AKIARIGHT");
  return {
    server,
    service,
    stranger,
    [Symbol.asyncDispose]: async () => {
      for (const [n, name] of names.entries()) {
        if (before[n] === undefined) delete process.env[name];
        else process.env[name] = before[n];
      }
      await server[Symbol.asyncDispose]();
    },
  };
});

test("parseAwsKmsUrl() knows aliases, ARNs and their region, and refuses the rest", () => {
  const arn = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
  assert.deepEqual(
    [parseAwsKmsUrl(`awskms:///${arn}`).keyId, parseAwsKmsUrl(`awskms:///${arn}`).region],
    [arn, "eu-west-1"],
  );
  assert.equal(parseAwsKmsUrl("awskms:///alias/x?region=us-east-1").region, "us-east-1");
  for (const url of [
    "awskms://alias/x",
    "awskms:///",
    "awskms:///alias/x?regoin=a",
    "awskms:///a b",
  ])
    assert.throws(() => parseAwsKmsUrl(url), { code: "usage" }, url);
});

test("a key without a region is refused with what to write", async () => {
  const names = ["AWS_REGION", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"] as const;
  const before = names.map((name) => process.env[name]);
  delete process.env.AWS_REGION;
  process.env.AWS_CONFIG_FILE = process.env.AWS_SHARED_CREDENTIALS_FILE = "/nonexistent";
  try {
    const service = createAwsKeyService(parseAwsKmsUrl("awskms:///alias/backups"));
    const context = { repository: "", recipient: "" };
    const signal = AbortSignal.timeout(10_000);
    await assert.rejects(service.wrap(Buffer.from("x"), context, { signal }), {
      code: "usage",
      message: /names a region/,
      remedy: /\?region=/,
    });
  } finally {
    for (const [n, name] of names.entries()) {
      if (before[n] === undefined) delete process.env[name];
      else process.env[name] = before[n];
    }
  }
});
