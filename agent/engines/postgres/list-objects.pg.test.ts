import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import {
  type PostgresServer,
  startPostgres,
} from "../../../integration/fixtures/postgres-server.ts";
import { listObjects } from "./list-objects.ts";
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

    test("finds nothing in an empty database but what may be missing there", async () => {
      await using session = await openDatabase(server, "postgres");
      const { objects, unsupported } = await listObjects(session);
      const names = objects.map(({ kind, name }) => `${kind} ${name}`);
      assert.deepEqual(names, [
        "extension plpgsql",
        "schema public",
        "owner of schema public",
        "grant schema public",
        "comment schema public",
      ]);
      assert.deepEqual(unsupported, []);
    });

    for (const [title, script] of Object.entries(schemaScripts))
      test(`recreates ${title}`, async () => {
        const { source, copy, sourceDump, copyDump } = await copySchema(server, script);
        const names = source.objects.map(({ kind, name, section }) => [kind, name, section].join());
        assert.equal(new Set(names).size, names.length);
        assert.deepEqual(source.unsupported, []);
        assert.deepEqual(copy, source);
        assert.equal(copyDump, sourceDump);
      });
  });
