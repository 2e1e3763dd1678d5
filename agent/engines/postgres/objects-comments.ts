import type { Catalog } from "./catalog.ts";
import { readRows } from "./catalog-rows.ts";
import { type DraftList, ranks } from "./draft.ts";
import { alterWords } from "./objects-owners.ts";
import { quoteLiteral } from "./quote.ts";

/** Words for what has comments but no owner. */
const otherWords: Record<string, string> = {
  "access method": "ACCESS METHOD",
  cast: "CAST",
  "domain constraint": "CONSTRAINT",
  extension: "EXTENSION",
  index: "INDEX",
  policy: "POLICY",
  rule: "RULE",
  "table constraint": "CONSTRAINT",
  "text search parser": "TEXT SEARCH PARSER",
  "text search template": "TEXT SEARCH TEMPLATE",
  transform: "TRANSFORM",
  trigger: "TRIGGER",
};

const commentWords: Record<string, string> = { ...alterWords, ...otherWords };

interface Comment {
  key: string;
  type: string;
  identity: string;
  column: number;
  text: string;
  /** How COMMENT names it where that is not the identity. */
  target: string | null;
}

/** Comments on objects and columns; also that `public` lost the one it is made with. */
export async function listComments(catalog: Catalog): Promise<DraftList> {
  const rows = await readRows<Comment>(
    catalog.session,
    `SELECT d.classoid::regclass || ':' || d.objoid AS key, i.type, i.identity,
      d.objsubid AS column, d.description AS text,
      CASE WHEN o.contypid <> 0
          THEN format('%I ON DOMAIN %s', o.conname, format_type(o.contypid, NULL))
        WHEN l.lanname IS NOT NULL
          THEN format('FOR %s LANGUAGE %I', format_type(t.trftype, NULL), l.lanname) END AS target
    FROM pg_description d CROSS JOIN LATERAL pg_identify_object(d.classoid, d.objoid, d.objsubid) i
      LEFT JOIN pg_constraint o ON d.classoid = 'pg_constraint'::regclass AND o.oid = d.objoid
      LEFT JOIN pg_transform t ON d.classoid = 'pg_transform'::regclass AND t.oid = d.objoid
      LEFT JOIN pg_language l ON l.oid = t.trflang
    WHERE d.objoid >= 16384 OR (d.classoid = 'pg_namespace'::regclass AND i.identity = 'public')`,
  );
  const list: Required<DraftList> = { drafts: [], unsupported: [], requires: [] };
  for (const { key, type, column, text, target, ...row } of rows) {
    const object = catalog.own.get(key);
    if (object === undefined) continue;
    const identity = column === 0 ? object.identity : row.identity;
    const word = column === 0 ? commentWords[object.type] : "COLUMN";
    const name = `${type} ${identity}`;
    if (word === undefined) {
      const remedy = "Keep the comment elsewhere";
      list.unsupported.push({ kind: "comment", name, remedy });
      continue;
    }
    const named = target ?? (column === 0 ? object.target : identity);
    list.drafts.push(
      commentDraft({ key, word, type, identity, target: named }, quoteLiteral(text)),
    );
  }
  const bare = [...catalog.own.values()].find(
    ({ key, identity }) =>
      key.startsWith("pg_namespace:") &&
      identity === "public" &&
      !rows.some((row) => row.key === key),
  );
  if (bare !== undefined) list.drafts.push(commentDraft({ ...bare, word: "SCHEMA" }, "NULL"));
  return list;
}

function commentDraft(object: Omit<Comment, "column" | "text"> & { word: string }, text: string) {
  const { key, word, type, identity, target } = object;
  return {
    kind: "comment",
    name: `${type} ${identity}`,
    section: "post-data" as const,
    statements: [`COMMENT ON ${word} ${target} IS ${text}`],
    rows: [],
    needs: [key],
    // A comment on an event trigger comes after it; other comments could set it off.
    rank: type === "event trigger" ? ranks.eventTrigger : ranks.comment,
    attribute: true,
  };
}
