import type { Db, Row } from "../database/database.ts";
import type { Copy } from "../recoverability/recoverability.ts";

/** A database, and the repositories that its policy names. */
interface Wanted {
  name: string;
  repositoryUrls: readonly string[];
}

/** The newest good backup of each database in each of its repositories, by the database's name. */
export async function readCopies(db: Db, wanted: readonly Wanted[]): Promise<Map<string, Copy[]>> {
  const pairs = wanted.flatMap(({ name, repositoryUrls }) =>
    repositoryUrls.map((repositoryUrl) => [name, repositoryUrl]),
  );
  const rows = await db.all(copiesSql, { pairs: JSON.stringify(pairs) });
  const copies = new Map<string, Copy[]>();
  for (const row of rows) {
    const name = String(row["database"]);
    copies.set(name, [...(copies.get(name) ?? []), copyOf(row)]);
  }
  return copies;
}

/** One step in an index for each pair, however many backups there are. */
const copiesSql = `
  select p.value ->> '$[0]' as database, p.value ->> '$[1]' as repository_url,
    b.id, b.started_at, b.verified_at
  from json_each(:pairs) p
  left join backups b on b.id = (
    select id from backups
    where database = p.value ->> '$[0]' and repository_url = p.value ->> '$[1]'
      and state = 'complete' and damaged_at is null and deleted_at is null
    order by started_at desc limit 1)
  order by p.key`;

function copyOf(row: Row): Copy {
  const repositoryUrl = String(row["repository_url"]);
  if (row["id"] === null) return { repositoryUrl };
  const newest = {
    backup: String(row["id"]),
    at: new Date(String(row["started_at"])),
    verified: row["verified_at"] !== null,
  };
  return { repositoryUrl, newest };
}
