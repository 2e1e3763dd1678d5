import assert from "node:assert/strict";
import { test } from "node:test";
import { azureRole } from "./azure-role.ts";
import { gcsBindings } from "./gcs-bindings.ts";
import { rightsPlace } from "./rights-place.ts";
import { type RightsRequest, roles } from "./role.ts";
import { s3Policy } from "./s3-policy.ts";

const place = { bucket: "b", prefix: "prod/", instance: "7312" };
const host: RightsRequest = { role: "host", ...place };

test("rightsPlace() reads bucket and prefix as the stores do", () => {
  const places = ["s3://b/x/y?region=r", "minio://h:9000/b/x/y", "gs://b/x/y/", "azure://b/x/y"];
  assert.deepEqual(
    places.map((url) => rightsPlace(url)),
    ["s3", "s3", "gcs", "azure"].map((format) => ({ format, bucket: "b", prefix: "x/y/" })),
  );
  assert.equal(rightsPlace("s3://b").prefix, "");
  for (const url of ["file:///b", "b", "minio://h:9000/"])
    assert.throws(() => rightsPlace(url), { code: "usage" });
});

test("s3Policy() allows a host nothing but to create below its instance", () => {
  const allowed = s3Policy(host, "arn:aws:iam::1:user/h").Statement.filter(
    ({ Effect }) => Effect === "Allow",
  );
  assert.deepEqual(allowed, [
    {
      Sid: "DbctlCreate",
      Effect: "Allow",
      Principal: { AWS: ["arn:aws:iam::1:user/h"] },
      Action: ["s3:PutObject"],
      Resource: ["arn:aws:s3:::b/prod/7312/*"],
    },
  ]);
});

test("s3Policy() of a user names no principal and no other buckets", () => {
  for (const role of roles) {
    const text = JSON.stringify(s3Policy({ role, ...place }, undefined));
    assert.doesNotMatch(text, /Principal|NotResource|"\*"/);
    for (const [resource] of text.matchAll(/arn:aws:s3:::[^"]*/g))
      assert.match(resource, /^arn:aws:s3:::b(\/|$)/);
  }
});

test("only a pruner may delete, and only a host and a pruner may create", () => {
  const all = { s3: (r: RightsRequest) => s3Policy(r, undefined), azureRole, gcsBindings };
  for (const of of Object.values(all))
    for (const role of roles) {
      const text = JSON.stringify(of({ role, ...place }), (_, value: unknown) =>
        (value as { Effect?: unknown } | null)?.Effect === "Deny" ? undefined : value,
      );
      assert.equal(/delete/i.test(text), role === "pruner", text);
      const creates = /PutObject"|add\/action|objects\.create/.test(text);
      assert.equal(creates, role === "host" || role === "pruner", text);
    }
});

test("azureRole() and gcsBindings() keep a host to its instance", () => {
  assert.match(azureRole(host).assignment.condition ?? "", /StringStartsWith 'prod\/7312\/'/);
  const [only, ...others] = gcsBindings(host);
  assert.equal(others.length, 0);
  assert.match(only?.condition?.expression ?? "", /buckets\/b\/objects\/prod\/7312\/"/);
});
