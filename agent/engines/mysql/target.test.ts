import assert from "node:assert/strict";
import { test } from "node:test";
import { describeTarget, parseMysqlTarget } from "./target.ts";

test("parseMysqlTarget() reads user, host, port and database", () => {
  assert.deepEqual(parseMysqlTarget("mysql://me@db7:3307/sh%C3%B6p"), {
    scheme: "mysql",
    user: "me",
    at: { kind: "tcp", host: "db7", port: 3307 },
    database: "shöp",
    tls: "verify-full",
    ca: null,
  });
  const v6 = parseMysqlTarget("mariadb://me@[::1]:3307/shop");
  assert.deepEqual(v6.at, { kind: "tcp", host: "::1", port: 3307 });
});

test("parseMysqlTarget() reads a socket, as an option or as the host", () => {
  const at = { kind: "socket", path: "/run/my.sock" };
  assert.deepEqual(parseMysqlTarget("mariadb://root@/shop?socket=/run/my.sock").at, at);
  assert.deepEqual(parseMysqlTarget("mariadb://root@%2Frun%2Fmy.sock/shop").at, at);
});

test("parseMysqlTarget() demands TLS of remote servers, and none of those on this host", () => {
  assert.equal(parseMysqlTarget("mariadb://me@127.0.0.1:1/shop").tls, "disable");
  assert.equal(parseMysqlTarget("mariadb://me@/shop?socket=/s").tls, "disable");
  assert.equal(parseMysqlTarget("mariadb://me@db7/shop").tls, "verify-full");
  assert.equal(parseMysqlTarget("mariadb://me@db7/shop?sslmode=verify-ca").tls, "verify-ca");
  assert.throws(() => parseMysqlTarget("mariadb://me@db7/shop?sslmode=disable"), /turns TLS off/);
});

test("parseMysqlTarget() refuses a password, and does not repeat it", () => {
  for (const url of ["mariadb://me:hush@db7/shop", "mysql://me@db7/shop?password=hush"])
    assert.throws(
      () => parseMysqlTarget(url),
      (error: Error) =>
        "code" in error && error.code === "secret-exposed" && !/hush/.test(error.message),
    );
});

test("parseMysqlTarget() refuses what it does not understand", () => {
  const faulty = [
    "mariadb://db7",
    "mariadb://db7/",
    "postgres://db7/shop",
    "mariadb://db7/a/b",
    "mariadb://db7:99999/shop",
    "mariadb://db7/shop?sslmode=maybe",
    "mariadb://db7/shop?compress=1",
    "mariadb://db7/shop?socket=relative",
    "mariadb://db7/%",
  ];
  for (const url of faulty) assert.throws(() => parseMysqlTarget(url), { code: "usage" }, url);
});

test("describeTarget() gives a URL of the same target", () => {
  for (const url of ["mysql://me@db7:3307/shop", "mariadb://root@/shop?socket=/run/my.sock"])
    assert.equal(describeTarget(parseMysqlTarget(url)), url);
});
