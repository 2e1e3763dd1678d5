import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { DatabaseNames, databaseSettings, madeDatabase } from "./database-names.ts";

const targets = new Map([
  ["shop", 'co"p`y'],
  ['we"i`rd', "shöp"],
]);

function rewrite(dialect: "postgres" | "mysql", sql: string): string | undefined {
  return new DatabaseNames(dialect, targets).rewrite(Buffer.from(sql))?.toString();
}

describe("DatabaseNames", () => {
  test("makes PostgreSQL's statements about a database ones about the target", () => {
    const renamed = {
      "ALTER DATABASE shop OWNER TO shop": 'ALTER DATABASE "co""p`y" OWNER TO shop',
      "COMMENT ON DATABASE shop IS 'shop'": 'COMMENT ON DATABASE "co""p`y" IS \'shop\'',
      'GRANT CONNECT ON DATABASE "we""i`rd" TO x': 'GRANT CONNECT ON DATABASE "shöp" TO x',
      "REVOKE ALL ON DATABASE shop FROM PUBLIC": 'REVOKE ALL ON DATABASE "co""p`y" FROM PUBLIC',
    };
    for (const [sql, expected] of Object.entries(renamed))
      assert.equal(rewrite("postgres", sql), expected);
    for (const sql of [
      "CREATE DATABASE shop WITH TEMPLATE = template0",
      "DROP DATABASE IF EXISTS shop",
    ])
      assert.equal(rewrite("postgres", sql), undefined);
    for (const sql of ["CREATE SCHEMA shop", "GRANT SELECT ON TABLE shop.t TO x", "SELECT 1"])
      assert.equal(rewrite("postgres", sql), sql);
  });

  test("keeps the options of MySQL's databases", () => {
    const options = "/*!40100 DEFAULT CHARACTER SET latin1 */";
    assert.equal(
      rewrite("mysql", `CREATE DATABASE /*!32312 IF NOT EXISTS*/ \`shop\` ${options}`),
      `ALTER DATABASE \`co"p\`\`y\` ${options}`,
    );
    assert.equal(rewrite("mysql", "CREATE DATABASE `shop`"), undefined);
    assert.equal(rewrite("mysql", "/*!40000 DROP DATABASE IF EXISTS `shop`*/"), undefined);
    assert.equal(
      rewrite("mysql", 'ALTER DATABASE `we"i``rd` CHARACTER SET utf8mb4'),
      "ALTER DATABASE `shöp` CHARACTER SET utf8mb4",
    );
    assert.equal(rewrite("mysql", "CREATE DATABASE `mysql` /*!40100 x */"), undefined);
    const nameless = "ALTER DATABASE CHARACTER SET latin1 COLLATE latin1_swedish_ci";
    assert.equal(rewrite("mysql", nameless), nameless);
  });

  test("refuses a database that the dump does not hold", () => {
    assert.throws(
      () => rewrite("mysql", "ALTER DATABASE `other` CHARACTER SET utf8"),
      /other: it is not/,
    );
    assert.throws(() => rewrite("postgres", "DROP DATABASE other"), /other: it is not/);
  });

  test("reads what a database is made with", () => {
    const sql =
      "CREATE DATABASE shop WITH TEMPLATE = template0 ENCODING = 'UTF8' LOCALE_PROVIDER = icu LOCALE = 'C' ICU_LOCALE = 'de'";
    assert.equal(madeDatabase("postgres", sql), "shop");
    assert.deepEqual(databaseSettings(sql), {
      encoding: "UTF8",
      localeProvider: "icu",
      collate: "C",
      ctype: "C",
      locale: "de",
    });
  });
});
