import assert from "node:assert/strict";
import { test } from "node:test";
import { startPostgres } from "../../../integration/fixtures/postgres-server.ts";
import type { ObjectList } from "../engine.ts";
import { schemaScripts } from "./schema-scripts.ts";
import { listSchema, openDatabase } from "./schema-contract.ts";

const roles = `CREATE ROLE "Role ""1"; CREATE ROLE reader; CREATE ROLE third;
  CREATE ROLE fourth; CREATE ROLE watcher IN ROLE pg_read_all_data`;

const namesOf = ({ objects }: ObjectList) =>
  objects.map(({ section, kind, name }) => `${section} ${kind} ${name}`).toSorted();

test("listObjects() names the same objects on a newer server that were copied there", async () => {
  await using old = await startPostgres(15);
  await using young = await startPostgres(17);
  for (const server of [old, young]) {
    await using admin = await openDatabase(server, "postgres");
    await admin.query(roles);
  }
  for (const [n, [title, script]] of Object.entries(schemaScripts).entries()) {
    const database = `schema_${n}`;
    for (const server of [old, young]) {
      await using admin = await openDatabase(server, "postgres");
      await admin.query(`CREATE DATABASE ${database} TEMPLATE template0`);
    }
    const source = await listSchema(old, database, script);
    const statements = source.objects.flatMap((object) => object.statements);
    const all = ["SET check_function_bodies = off", ...statements].map((one) => `${one};\n`);
    const copy = await listSchema(young, database, all.join(""));
    assert.deepEqual(namesOf(copy), namesOf(source), title);
  }
});
