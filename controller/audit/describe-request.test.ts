import assert from "node:assert/strict";
import { create } from "@bufbuild/protobuf";
import { test } from "node:test";
import { EnrolRequestSchema } from "../../proto/gen/dbctl/v1/agent_link_pb.ts";
import { CreateTokenRequestSchema } from "../../proto/gen/dbctl/v1/agents_pb.ts";
import {
  EnqueueBackupsRequestSchema,
  EnqueueRestoreRequestSchema,
} from "../../proto/gen/dbctl/v1/jobs_pb.ts";
import { ApplyPoliciesRequestSchema } from "../../proto/gen/dbctl/v1/policies_pb.ts";
import { describeRequest } from "./describe-request.ts";

test("describeRequest() leaves secrets out, counts bytes, cuts long texts", () => {
  const enrol = create(EnrolRequestSchema, {
    token: "s3cret",
    host: "db1",
    certificateRequest: new Uint8Array(7),
  });
  assert.deepEqual(describeRequest(EnrolRequestSchema, enrol), {
    token: "[redacted]",
    host: "db1",
    certificateRequest: "[7 bytes]",
  });
  const restore = create(EnqueueRestoreRequestSchema, {
    backupId: "b",
    target: "h/d",
    epochKey: { epoch: "e", age: new Uint8Array(3) },
  });
  assert.deepEqual(describeRequest(EnqueueRestoreRequestSchema, restore), {
    backupId: "b",
    target: "h/d",
    create: false,
    epochKey: { epoch: "e", age: "[3 bytes]" },
  });
  const apply = create(ApplyPoliciesRequestSchema, { yaml: "y".repeat(5000) });
  const { yaml } = describeRequest(ApplyPoliciesRequestSchema, apply);
  assert.match(String(yaml), /^y{1000}… \(5000\)$/);
});

test("describeRequest() shows the chosen case of a oneof, maps and lists", () => {
  const names = create(EnqueueBackupsRequestSchema, {
    selection: { case: "names", value: { names: ["a/b", "c/d"] } },
  });
  assert.deepEqual(describeRequest(EnqueueBackupsRequestSchema, names), {
    names: { names: ["a/b", "c/d"] },
    allowMissing: false,
    freshEpoch: false,
  });
  const token = create(CreateTokenRequestSchema, { ttlSeconds: 60, labels: { env: "prod" } });
  const shown = describeRequest(CreateTokenRequestSchema, token);
  assert.deepEqual(shown, { ttlSeconds: 60, labels: { env: "prod" } });
});
