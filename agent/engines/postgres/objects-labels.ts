import type { Catalog } from "./catalog.ts";
import { readRows } from "./catalog-rows.ts";
import type { DraftList } from "./draft.ts";

/** What no group recreates and no catalog of objects shows: security labels, large objects. */
export async function listLabels({ session, own }: Catalog): Promise<DraftList> {
  const labels = await readRows<{ key: string; provider: string; identity: string | null }>(
    session,
    `SELECT l.classoid::regclass || ':' || l.objoid AS key, l.provider, i.identity
    FROM pg_seclabel l
      CROSS JOIN LATERAL pg_identify_object(l.classoid, l.objoid, l.objsubid) i`,
  );
  const [large] = await readRows<{ count: string; first: string | null }>(
    session,
    `SELECT count(*)::text AS count, min(oid)::text AS first FROM pg_largeobject_metadata`,
  );
  const unsupported = labels
    .filter(({ key }) => own.has(key) || key.startsWith("pg_largeobject:"))
    .map(({ provider, identity }) => ({
      kind: "security label",
      name: `${provider} of ${identity}`,
      remedy: "Keep the SECURITY LABEL statement and run it by hand after a restore",
    }));
  if (large !== undefined && large.count !== "0")
    unsupported.push({
      kind: "large objects",
      name: `${large.count}, the first is ${large.first}`,
      remedy: "Copy them with lo_export and lo_import, or store them as bytea",
    });
  return { drafts: [], unsupported };
}
