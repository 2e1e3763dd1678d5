/** All terms must hold. No term at all selects nothing. */
export type Selector = readonly Term[];

interface Term {
  key: string;
  /** One of them, or none of them. */
  values: readonly string[];
  negated: boolean;
}

/** What a selector looks at; `host`, `engine`, `instance` and `database` come before labels. */
export interface Selectable {
  host: string;
  instance: string;
  database: string;
  engine: string;
  labels: Readonly<Record<string, string>>;
}

/** Reads `env=prod,tier!=test,region in (eu,us),host=db7`. Throws a SyntaxError naming the term. */
export function parseSelector(text: string): Selector {
  const terms = splitTerms(text).map(parseTerm);
  if (terms.length === 0) throw new SyntaxError("a selector needs at least one term: key=value");
  return terms;
}

/** A missing label is equal to nothing, so `!=` holds for it. */
export function selects(selector: Selector, target: Selectable): boolean {
  return selector.every(({ key, values, negated }) => {
    const value = valueOf(key, target);
    return (value !== undefined && values.includes(value)) !== negated;
  });
}

const ownKeys = ["host", "instance", "database", "engine"] as const;

function valueOf(key: string, target: Selectable): string | undefined {
  const own = ownKeys.find((one) => one === key);
  if (own !== undefined) return target[own];
  return Object.hasOwn(target.labels, key) ? target.labels[key] : undefined;
}

/** At commas outside of brackets. */
function splitTerms(text: string): string[] {
  if (text.trim() === "") return [];
  return text.split(/,(?![^()]*\))/).map((term) => term.trim());
}

function parseTerm(text: string): Term {
  const [, key = "", operator = "", rest = ""] =
    /^([\w./-]+)\s*(!=|=|\s+not\s+in\b|\s+in\b)\s*(.*)$/s.exec(text) ?? [];
  if (key === "") throw new SyntaxError(`"${text}" is not key=value, key!=value or key in (a,b)`);
  const word = operator.trim();
  const negated = word !== "=" && word !== "in";
  const values = word === "=" || word === "!=" ? [rest] : listValues(text, rest);
  if (values.some((value) => !/^[^\s,()=!]+$/.test(value)))
    throw new SyntaxError(`"${text}" has a value that is empty or holds blanks, brackets or signs`);
  return { key, values, negated };
}

function listValues(text: string, rest: string): string[] {
  const [, list] = /^\(([^()]*)\)$/.exec(rest) ?? [];
  if (list === undefined) throw new SyntaxError(`"${text}" needs a list in brackets: (a,b)`);
  return list.split(",").map((value) => value.trim());
}
