import assert from "node:assert/strict";
import { userInfo } from "node:os";
import { test } from "node:test";
import fc from "fast-check";
import { DbctlError } from "../../../core/errors.ts";
import { parsePostgresTarget } from "./target.ts";

test("parsePostgresTarget() gives back any user, host, port and database", () => {
  const text = fc.string({ unit: "grapheme", minLength: 1 }).filter((s) => !/[,\0]/.test(s));
  const port = fc.integer({ min: 1, max: 65535 });
  fc.assert(
    fc.property(text, text, port, text, (user, host, port_, database) => {
      const parts = [user, host, database].map((part) => encodeURIComponent(part));
      const url = `postgresql://${parts[0]}@${parts[1]}:${port_}/${parts[2]}`;
      const { tls: _, files: _files, ...rest } = parsePostgresTarget(url);
      assert.deepEqual(rest, { user, host, port: port_, database });
      const query = `host=${parts[1]}&port=${port_}&user=${parts[0]}`;
      const {
        tls: _tls,
        files: _f,
        ...same
      } = parsePostgresTarget(`postgres:///${parts[2]}?${query}`);
      assert.deepEqual(same, rest);
    }),
  );
});

test("parsePostgresTarget() throws nothing but DbctlErrors, whatever the text", () => {
  const pieces = fc.constantFrom(
    "postgres://",
    "@",
    ":",
    "/",
    "?",
    "=",
    "&",
    "%",
    "[",
    "]",
    "host",
    "1",
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(pieces, fc.string())), (parts) => {
      try {
        parsePostgresTarget(parts.join(""));
      } catch (error) {
        assert.ok(error instanceof DbctlError);
      }
    }),
  );
});

test("parsePostgresTarget() refuses a password and does not repeat it", () => {
  const urls = [
    "postgres://user:se/cret@host/db",
    "postgres://user:secret@host/db",
    "postgres://user:@host/db",
    "postgres://user@host/db?password=secret",
  ];
  for (const url of urls)
    assert.throws(
      () => parsePostgresTarget(url),
      (error: DbctlError) =>
        /secret-exposed|config-invalid/.test(error.code) && !/cret/.test(error.message),
      url,
    );
});

test("parsePostgresTarget() verifies remote servers and not what is on this machine", () => {
  const modeOf = (host: string) => parsePostgresTarget(`postgres://u@${host}/d`).tls;
  assert.deepEqual(
    ["db7", "10.0.0.1", "[2001:db8::1]", "127.example.org", "127.0.0.2", "[::1]", "localhost"].map(
      modeOf,
    ),
    ["verify-full", "verify-full", "verify-full", "verify-full", "disable", "disable", "disable"],
  );
  assert.equal(parsePostgresTarget("postgres://u@db7/d?sslmode=require").tls, "require");
  assert.equal(parsePostgresTarget("postgres://u@/d?host=/run&sslmode=require").tls, "disable");
});

test("parsePostgresTarget() fills in port and user as libpq does", () => {
  const target = parsePostgresTarget("postgres://db7/shop");
  assert.deepEqual([target.port, target.user], [5432, userInfo().username]);
});

for (const [url, why] of [
  ["postgres://db7", /no database/],
  ["postgres://db7:0/d", /port/],
  ["postgres://db7:99999/d", /port/],
  ["postgres://a,b/d", /several hosts/],
  ["postgres://db7/d?sslmode=prefer", /prefer/],
  ["postgres://db7/d?foo=1", /"foo" is unknown/],
  ["postgres://db7/%zz", /%/],
  ["postgres://db7/a%00b", /zero byte/],
] as const)
  test(`parsePostgresTarget() refuses ${url}`, () => {
    assert.throws(() => parsePostgresTarget(url), { code: "config-invalid", message: why });
  });
