import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { KeyServiceStandIn } from "../../integration/fixtures/key-service-stand-ins.ts";
import type { KeyService } from "./key-service.ts";

interface Opened extends AsyncDisposable {
  service: KeyService;
  /** The same key with credentials that have no right to it. */
  stranger: KeyService;
  server: KeyServiceStandIn;
}

const { signal } = new AbortController();
const context = { repository: "ab".repeat(16), recipient: "age1aaaa" };
const secret = Buffer.from("AGE-SECRET-KEY-1EXAMPLE");

/** The promises of `KeyService` as tests. */
export function describeKeyService(name: string, open: () => Promise<Opened>): void {
  describe(`${name} keeps the KeyService contract`, () => {
    test("unwrap() gives back what was wrapped", async () => {
      await using scratch = await open();
      const wrapped = await scratch.service.wrap(secret, context, { signal });
      assert.ok(!wrapped.includes(secret));
      assert.deepEqual(await scratch.service.unwrap(wrapped, context, { signal }), secret);
    });

    test("unwrap() refuses another context and changed bytes", async () => {
      await using scratch = await open();
      const { service } = scratch;
      const wrapped = await service.wrap(secret, context, { signal });
      const wrong = { code: "identity-wrong" };
      for (const other of [
        { ...context, repository: "cd".repeat(16) },
        { ...context, recipient: "age1b" },
      ])
        await assert.rejects(service.unwrap(wrapped, other, { signal }), wrong);
      const changed = Buffer.from(wrapped);
      changed[20] = (changed[20] ?? 0) === 65 ? 66 : 65;
      await assert.rejects(service.unwrap(changed, context, { signal }), wrong);
    });

    test("credentials without the right are told so", async () => {
      await using scratch = await open();
      const refused = { code: "access-denied" };
      await assert.rejects(scratch.stranger.wrap(secret, context, { signal }), refused);
    });

    test("a service that fails or is not there is unreachable, and may be tried again", async () => {
      await using scratch = await open();
      const { service, server } = scratch;
      server.fault = { status: 503, name: "ServiceUnavailableException" };
      const unreachable = { code: "store-unreachable", retryable: true };
      await assert.rejects(service.wrap(secret, context, { signal }), unreachable);
      await server[Symbol.asyncDispose]();
      await assert.rejects(service.wrap(secret, context, { signal }), unreachable);
    });

    test("a call ends at once when it is aborted while the service is silent", async () => {
      await using scratch = await open();
      scratch.server.fault = "silent";
      const controller = new AbortController();
      setTimeout(() => controller.abort(new Error("enough")), 20);
      const begun = performance.now();
      const call = scratch.service.wrap(secret, context, { signal: controller.signal });
      await assert.rejects(call, /enough/);
      assert.ok(performance.now() - begun < 2000);
    });
  });
}
