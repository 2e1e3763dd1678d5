import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { test } from "node:test";
import type { DescFile, DescMethod } from "@bufbuild/protobuf";
import type { Identity } from "../../core/grpc/peer.ts";
import { callName, mayCall, permissionOf } from "./permissions.ts";

const generated = new URL("../../proto/gen/dbctl/v1/", import.meta.url);

async function allMethods(): Promise<DescMethod[]> {
  const names = (await readdir(generated)).filter((name) => name.endsWith("_pb.ts"));
  const modules = await Promise.all(
    names.map((name) => import(new URL(name, generated).href) as Promise<Record<string, unknown>>),
  );
  const files = modules.flatMap((module) =>
    Object.entries(module).flatMap(([name, value]) =>
      name.startsWith("file_dbctl_v1_") ? [value as DescFile] : [],
    ),
  );
  return files.flatMap(({ services }) => services.flatMap(({ methods }) => methods));
}

const callers: Record<string, Identity> = {
  nobody: { kind: "none" },
  agent: { kind: "agent", id: "a", name: "db1", serial: "1" },
  viewer: { kind: "user", name: "v", role: "viewer", serial: "2" },
  operator: { kind: "user", name: "o", role: "operator", serial: "3" },
  admin: { kind: "user", name: "d", role: "admin", serial: "4" },
};

test("permissionOf() knows every rpc of the protocol", async () => {
  const methods = await allMethods();
  assert.ok(methods.length > 15, `${methods.length} methods`);
  assert.deepEqual(
    methods.filter((method) => permissionOf(method) === undefined).map(callName),
    [],
  );
});

test("nobody without a certificate calls anything but Enrol; what changes needs its role", async () => {
  for (const method of await allMethods()) {
    const may = Object.keys(callers).filter((name) =>
      mayCall(callers[name] ?? assert.fail(name), permissionOf(method)),
    );
    const name = callName(method);
    if (name === "EnrolmentService/Enrol") assert.equal(may.length, 5);
    else if (/^(AgentLink|Enrolment)Service/.test(name)) assert.deepEqual(may, ["agent"]);
    else if (name.startsWith("UsersService")) assert.deepEqual(may, ["admin"]);
    else if (/\/(List|Get|Watch|Explain|Preview)/.test(name))
      assert.deepEqual(may, ["viewer", "operator", "admin"]);
    else if (/^(Jobs|Retention)Service/.test(name)) assert.deepEqual(may, ["operator", "admin"]);
    else assert.deepEqual(may, ["admin"], name);
  }
});

test("mayCall() refuses an rpc that no table names", () => {
  for (const identity of Object.values(callers)) assert.equal(mayCall(identity, undefined), false);
});
