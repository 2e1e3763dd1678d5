/** Checks that a parsed JSON value is what it should be; throws a `SyntaxError` that says where. */
export type Shape<T> = (value: unknown, where: string) => T;

/** Exactly these fields, no others. */
export function record<T extends object>(fields: { [K in keyof T]: Shape<T[K]> }): Shape<T> {
  return (value, where) => {
    if (typeof value !== "object" || value === null || Array.isArray(value))
      throw wrong(where, "an object");
    const unknown = Object.keys(value).find((name) => !Object.hasOwn(fields, name));
    if (unknown !== undefined) throw wrong(`${where}.${unknown}`, "absent");
    const entries = Object.entries<Shape<unknown>>(fields).map(([name, shape]) => {
      const field: unknown = Object.hasOwn(value, name)
        ? (value as Record<string, unknown>)[name]
        : undefined;
      return [name, shape(field, `${where}.${name}`)];
    });
    return Object.fromEntries(entries) as T;
  };
}

export function list<T>(item: Shape<T>, { max }: { max: number }): Shape<T[]> {
  return (value, where) => {
    if (!Array.isArray(value) || value.length > max) throw wrong(where, `a list of at most ${max}`);
    return value.map((element: unknown, n) => item(element, `${where}[${n}]`));
  };
}

export function text(pattern: RegExp): Shape<string> {
  return (value, where) => {
    if (typeof value !== "string" || !pattern.test(value)) throw wrong(where, String(pattern));
    return value;
  };
}

/** A whole number from 0 to 2^53 - 1. */
export const count: Shape<number> = (value, where) => {
  if (!Number.isSafeInteger(value) || Number(value) < 0) throw wrong(where, "a whole number");
  return Number(value);
};

export function oneOf<T extends string | number>(...values: T[]): Shape<T> {
  return (value, where) => {
    const found = values.find((one) => one === value);
    if (found === undefined) throw wrong(where, values.join(" or "));
    return found;
  };
}

export function nullable<T>(shape: Shape<T>): Shape<T | null> {
  return (value, where) => (value === null ? null : shape(value, where));
}

/** Whatever is there, but something must be. */
export const anything: Shape<unknown> = (value, where) => {
  if (value === undefined) throw wrong(where, "there");
  return value;
};

export const hex32 = text(/^[0-9a-f]{64}$/);
export const label = text(/^[^\0]{0,1024}$/u);
export const isoTime = text(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/);

function wrong(where: string, expected: string): SyntaxError {
  return new SyntaxError(`${where} must be ${expected}`);
}
