import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import {
  type PostgresServer,
  startPostgres,
} from "../../../integration/fixtures/postgres-server.ts";
import { schemaScripts } from "./schema-scripts.ts";
import { copySchema, openDatabase } from "./schema-contract.ts";

for (const major of [15, 17])
  describe(`listObjects() with PostgreSQL ${major}`, () => {
    let server: PostgresServer;
    before(async () => {
      server = await startPostgres(major);
      await using session = await openDatabase(server, "postgres");
      await session.query(`CREATE ROLE "Role ""1"; CREATE ROLE reader; CREATE ROLE third;
        CREATE ROLE fourth`);
    });
    after(() => server[Symbol.asyncDispose]());

    for (const [title, script] of Object.entries(schemaScripts))
      test(`recreates ${title}`, async () => {
        const { source, copy, sourceDump, copyDump } = await copySchema(server, script);
        assert.deepEqual(source.unsupported, []);
        assert.deepEqual(copy, source);
        assert.equal(copyDump, sourceDump);
      });
  });
