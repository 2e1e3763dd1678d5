import type { UnsupportedObject } from "../engine.ts";
import type { Catalog } from "./catalog.ts";
import { readRows } from "./catalog-rows.ts";
import type { DraftList } from "./draft.ts";

/** What a copy would lose although no catalog of objects shows it. */
export async function listLosses(catalog: Catalog): Promise<DraftList> {
  const unsupported = [
    ...(await listLabels(catalog)),
    ...(await listLargeObjects(catalog)),
    ...(await listEnumHashes(catalog)),
  ];
  return { drafts: [], unsupported };
}

async function listLabels({ session, own }: Catalog): Promise<UnsupportedObject[]> {
  const labels = await readRows<{ key: string; provider: string; identity: string | null }>(
    session,
    `SELECT l.classoid::regclass || ':' || l.objoid AS key, l.provider, i.identity
    FROM pg_seclabel l
      CROSS JOIN LATERAL pg_identify_object(l.classoid, l.objoid, l.objsubid) i`,
  );
  return labels
    .filter(({ key }) => own.has(key) || key.startsWith("pg_largeobject:"))
    .map(({ provider, identity }) => ({
      kind: "security label",
      name: `${provider} of ${identity}`,
      remedy: "Keep the SECURITY LABEL statement and run it by hand after a restore",
    }));
}

async function listLargeObjects({ session }: Catalog): Promise<UnsupportedObject[]> {
  const [large] = await readRows<{ count: string; first: string | null }>(
    session,
    `SELECT count(*)::text AS count, min(oid)::text AS first FROM pg_largeobject_metadata`,
  );
  if (large === undefined || large.count === "0") return [];
  const name = `${large.count}, the first is ${large.first}`;
  const remedy = "Copy them with lo_export and lo_import, or store them as bytea";
  return [{ kind: "large objects", name, remedy }];
}

/** The hash of an enum is made from its label's oid, so that a copy's rows go elsewhere. */
async function listEnumHashes({ session, own }: Catalog): Promise<UnsupportedObject[]> {
  const rows = await readRows<{ key: string }>(
    session,
    `SELECT 'pg_class:' || p.partrelid AS key FROM pg_partitioned_table p
    WHERE p.partstrat = 'h' AND EXISTS (SELECT FROM pg_opclass c
      WHERE c.oid = ANY (p.partclass::oid[]) AND c.opcintype = 'anyenum'::regtype)`,
  );
  const remedy = "Partition by the enum's text, or by list";
  return rows.flatMap(({ key }) => {
    const name = own.get(key)?.identity;
    return name === undefined ? [] : [{ kind: "hash partitions by enum", name, remedy }];
  });
}
