import type { Db } from "../database/database.ts";
import { readPolicies } from "../policies/read-policies.ts";

/** Every repository that a policy names or that holds backups of the catalog, in order. */
export async function listRepositories(db: Db): Promise<string[]> {
  const wanted = (await readPolicies(db)).flatMap(({ repositoryUrls }) => repositoryUrls);
  // Steps from one to the next in the index: there are few repositories and many backups.
  const rows = await db.all(
    `with recursive urls (url) as (
       select min(repository_url) from backups
       union all
       select (select min(repository_url) from backups where repository_url > url)
       from urls where url is not null
     )
     select url from urls where url is not null`,
  );
  return [...new Set([...wanted, ...rows.map((row) => String(row["url"]))])].toSorted();
}
