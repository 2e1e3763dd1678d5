import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import fc from "fast-check";
import {
  type PostgresServer,
  startPostgres,
} from "../../../integration/fixtures/postgres-server.ts";
import { quoteLiteral, quoteName } from "./quote.ts";
import { openSession } from "./session.ts";
import { parsePostgresTarget } from "./target.ts";

const { signal } = new AbortController();
let server: PostgresServer;
before(async () => (server = await startPostgres(15)));
after(() => server[Symbol.asyncDispose]());

const odd = fc.constantFrom(
  "\\",
  "'",
  '"',
  "\n",
  "E'",
  "$$",
  "--",
  "/*",
  "ü",
  "\u{1f600}",
  "%",
  ";",
);
const texts = fc
  .array(fc.oneof(odd, fc.string({ unit: "grapheme" })))
  .map((pieces) => pieces.join(""))
  .filter((text) => !text.includes("\0"));

test("quoteLiteral() and quoteName() survive the server, whatever its string rules", async () => {
  await using session = await openSession(parsePostgresTarget(server.url("postgres")), { signal });
  for (const conforming of ["on", "off"]) {
    await session.execute(`SET standard_conforming_strings = ${conforming}`);
    await fc.assert(
      fc.asyncProperty(texts, async (text) => {
        const name = Buffer.from(`n${text}`)
          .subarray(0, 60)
          .toString()
          .replace(/\ufffd+$/, "");
        const [row] = await session.query(`SELECT ${quoteLiteral(text)} AS ${quoteName(name)}`);
        assert.deepEqual(row, { [name]: text });
      }),
    );
  }
});

test("quoteLiteral() and quoteName() refuse a zero byte", () => {
  assert.throws(() => quoteLiteral("a\0b"), SyntaxError);
  assert.throws(() => quoteName("a\0b"), SyntaxError);
});
