import assert from "node:assert/strict";
import { hostname } from "node:os";
import { test } from "node:test";
import { readControllerConfig } from "./config.ts";

test("readControllerConfig() advertises an address that others can dial", () => {
  const advertised = (...args: string[]) =>
    readControllerConfig(["--state", "/s", ...args], {}).advertise;
  assert.equal(advertised(), "127.0.0.1:7400");
  assert.equal(advertised("--listen", "10.0.0.1:1"), "10.0.0.1:1");
  assert.equal(advertised("--listen", "0.0.0.0:7400"), `${hostname()}:7400`);
  assert.equal(advertised("--listen", "[::]:1", "--advertise", "ctl.example:2"), "ctl.example:2");
});

test("readControllerConfig() tells every fault at once", () => {
  assert.throws(() => readControllerConfig(["--listen", "x", "--metrics", "y:z"], {}), {
    code: "config-invalid",
    message: /--state is missing; --listen is "x".*; --metrics is "y:z"/,
  });
  for (const lease of ["", "2", "1e9", "5s"])
    assert.throws(() => readControllerConfig(["--state", "/s", "--lease-seconds", lease], {}), {
      code: "config-invalid",
      message: /--lease-seconds is/,
    });
  assert.throws(() => readControllerConfig(["--nope"], {}), { code: "config-invalid" });
});

test("readControllerConfig() reads for how long the past is kept", () => {
  const read = (args: string[], env = {}) =>
    readControllerConfig(["--state", "/s", ...args], env).historyDays;
  assert.equal(read([]), undefined);
  assert.equal(read(["--history-days", "90"]), 90);
  assert.equal(read([], { DBCTL_HISTORY_DAYS: "30" }), 30);
  for (const days of ["29", "x", "1e3"])
    assert.throws(() => read(["--history-days", days]), { message: /--history-days is/ });
});
