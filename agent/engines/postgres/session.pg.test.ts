import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import {
  type PostgresServer,
  startPostgres,
} from "../../../integration/fixtures/postgres-server.ts";
import { openSession } from "./session.ts";
import { parsePostgresTarget } from "./target.ts";

const { signal } = new AbortController();

for (const major of [15, 17])
  describe(`openSession() with PostgreSQL ${major}`, () => {
    let server: PostgresServer;
    before(async () => (server = await startPostgres(major)));
    after(() => server[Symbol.asyncDispose]());

    test("gives rows of text, nulls, and the last result of several statements", async () => {
      await using session = await openSession(parsePostgresTarget(server.url("postgres")), {
        signal,
      });
      const rows = await session.query(`SELECT 1; SELECT NULL AS "n""ü", 'a''b' AS t`);
      assert.deepEqual(rows, [{ 'n"ü': null, t: "a'b" }]);
      assert.equal(session.major, major);
      assert.equal(session.encoding, "UTF8");
    });
  });
