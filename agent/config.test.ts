import assert from "node:assert/strict";
import { hostname } from "node:os";
import { test } from "node:test";
import { parseAgentConfig } from "./config.ts";

test("parseAgentConfig() reads servers with and without a database in their URL", () => {
  const text = `
host: db7
state_dir: /srv/dbctl
instances:
  - name: main
    url: postgres://backup@/?host=/run/postgresql
    labels: { env: prod }
  - name: shop
    url: mariadb://backup@127.0.0.1:3306
  - name: own
    url: postgres://backup@127.0.0.1/admin
`;
  const { host, stateDir, instances } = parseAgentConfig(text, "agent.yaml");
  assert.deepEqual([host, stateDir], ["db7", "/srv/dbctl"]);
  assert.deepEqual(
    instances.map(({ name, server, labels }) => [
      name,
      server.engine,
      server.target.database,
      labels,
    ]),
    [
      ["main", "postgres", "postgres", { env: "prod" }],
      ["shop", "mysql", "mysql", {}],
      ["own", "postgres", "admin", {}],
    ],
  );
});

test("parseAgentConfig() fills in the host's name and the state folder", () => {
  const { host, stateDir } = parseAgentConfig(
    "instances: [{ name: main, url: 'postgres://b@127.0.0.1/db' }]",
    "agent.yaml",
  );
  assert.deepEqual([host, stateDir], [hostname(), "/var/lib/dbctl"]);
});

test("parseAgentConfig() tells every fault at once, with its line", () => {
  const text = `
hosts: db7
state_dir: relative
instances:
  - name: main
    url: postgres://backup:secret@127.0.0.1/db
  - name: main
    url: oracle://x/y
    labels: { "a,b": c }
`;
  assert.throws(
    () => parseAgentConfig(text, "agent.yaml"),
    (error: Error & { code: string }) => {
      assert.equal(error.code, "config-invalid");
      for (const part of [
        /line 2, column 1: hosts is not known/,
        /line 3.*state_dir must/,
        /line 5.*holds a password/,
        /line 7.*name main is there twice/,
        /unknown scheme/,
        /label a,b: c must match/,
      ])
        assert.match(error.message, part);
      assert.doesNotMatch(error.message, /secret/);
      return true;
    },
  );
});

for (const [title, text] of [
  ["an empty file", ""],
  ["no list", "instances: 7"],
  ["an empty list", "instances: []"],
  ["what is no YAML", "instances: [1, {"],
] as const)
  test(`parseAgentConfig() refuses ${title}`, () => {
    assert.throws(() => parseAgentConfig(text, "agent.yaml"), { code: "config-invalid" });
  });

test("parseAgentConfig() reads the repositories that the host may use, or refuses the list", () => {
  const head = "instances: [{ name: main, url: 'postgres://b@127.0.0.1/db' }]\n";
  const read = (more: string) => parseAgentConfig(head + more, "agent.yaml").repositories;
  assert.equal(read(""), undefined);
  assert.deepEqual(read("repositories: ['file:///a/../b']"), ["file:///b"]);
  for (const bad of ["[]", "7", "[nonsense]", "[7, 'file:///b']"])
    assert.throws(() => read(`repositories: ${bad}`), { code: "config-invalid" });
});
