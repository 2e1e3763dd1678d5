/** A table's place below others: by inheritance, or as a partition with a bound. */
export interface Descent {
  /** Names and keys of the parents, in their order. */
  parents: { key: string; name: string; detaching: boolean }[];
  /** `FOR VALUES …` or `DEFAULT` of a partition. */
  bound: string | null;
}

/** SQL for the fields of a descent; `c` is the table's row of pg_class. */
export const descentColumns = `pg_get_expr(c.relpartbound, c.oid) AS bound,
  coalesce((SELECT json_agg(json_build_object('key', 'pg_class:' || i.inhparent,
      'name', format('%I.%I', pn.nspname, p.relname),
      'detaching', coalesce((to_jsonb(i) ->> 'inhdetachpending')::boolean, false))
      ORDER BY i.inhseqno)
    FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent
      JOIN pg_namespace pn ON pn.oid = p.relnamespace
    WHERE i.inhrelid = c.oid), '[]') AS parents`;

/** Statements that put a table below its parents after it was made apart: columns keep their order. */
export function attachStatements({ parents, bound }: Descent, name: string): string[] {
  return parents.map((parent) =>
    bound === null
      ? `ALTER TABLE ONLY ${name} INHERIT ${parent.name}`
      : `ALTER TABLE ONLY ${parent.name} ATTACH PARTITION ${name} ${bound}`,
  );
}
