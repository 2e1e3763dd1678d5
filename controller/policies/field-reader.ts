import { isMap, isScalar, isSeq } from "yaml";
import type { LineCounter, Node, YAMLMap } from "yaml";
import { parseDuration } from "../../core/duration.ts";
import { nearestName } from "../../core/nearest-name.ts";

/** Something wrong in a file of policies; lines and columns count from 1. */
export interface Fault {
  line: number;
  column: number;
  message: string;
  remedy: string;
}

/** Where faults are collected, and values found. */
export interface Findings {
  counter: LineCounter;
  faults: Fault[];
  /** Lines of the values that the file gives, by path. */
  lines: Record<string, number>;
}

/** Reads the fields of one YAML map; collects every fault instead of stopping at the first. */
export class FieldReader {
  readonly #map: YAMLMap;
  readonly #path: string;
  readonly #findings: Findings;
  readonly #known = new Set<string>();

  constructor(map: YAMLMap, findings: Findings, path = "") {
    this.#map = map;
    this.#findings = findings;
    this.#path = path;
  }

  /** Undefined when it is absent or faulty; then a fault is on record. */
  required<T>(key: string, read: (text: string) => T): T | undefined {
    if (this.#node(key) === undefined)
      this.#fault(this.#map, `"${this.#path}${key}" is missing`, `Add ${key}: …`);
    return this.optional(key, read);
  }

  /** The text of a scalar, as `read` takes it: it throws a SyntaxError that says what is wrong. */
  optional<T>(key: string, read: (text: string) => T): T | undefined {
    const node = this.#node(key);
    return node === undefined ? undefined : this.#read(node, { name: key, key, read });
  }

  /** The texts of a list, as `optional` reads each; undefined when it is absent or one is faulty. */
  list<T>(key: string, read: (text: string) => T): T[] | undefined {
    const node = this.#node(key);
    if (node === undefined) return undefined;
    if (!isSeq(node)) {
      this.#fault(node, `"${this.#path}${key}" is not a list`, `Write ${key}: [a, b]`);
      return undefined;
    }
    const values = node.items.map((item, index) =>
      this.#read(item as Node, { name: `${key}[${index}]`, key, read }),
    );
    return values.some((value) => value === undefined) ? undefined : (values as T[]);
  }

  /** Whether the file has it, be it faulty. */
  has(key: string): boolean {
    return this.#node(key) !== undefined;
  }

  text(key: string): string | undefined {
    return this.optional(key, notEmpty);
  }

  duration(key: string): number | undefined {
    return this.optional(key, parseDuration);
  }

  integer(key: string, { min, max }: { min: number; max: number }): number | undefined {
    return this.optional(key, (text) => {
      const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
      if (value >= min && value <= max) return value;
      throw new SyntaxError(`"${text}" is not a whole number from ${min} to ${max}`);
    });
  }

  boolean(key: string): boolean | undefined {
    return this.optional(key, (text) => {
      if (text === "true" || text === "false") return text === "true";
      throw new SyntaxError(`"${text}" is neither true nor false`);
    });
  }

  /** A map within this one. */
  map(key: string): FieldReader | undefined {
    const node = this.#node(key);
    if (node === undefined) return undefined;
    if (isMap(node)) return new FieldReader(node, this.#findings, `${this.#path}${key}.`);
    this.#fault(node, `"${this.#path}${key}" is not a map`, `Write its fields under ${key}:`);
    return undefined;
  }

  /** The maps of a list. */
  maps(key: string): FieldReader[] {
    const node = this.#node(key);
    if (node === undefined) return [];
    if (!isSeq(node)) {
      this.#fault(node, `"${this.#path}${key}" is not a list`, `Begin each entry with "- "`);
      return [];
    }
    return node.items.flatMap((item, index) => {
      const path = `${this.#path}${key}[${index}].`;
      if (isMap(item)) return [new FieldReader(item, this.#findings, path)];
      this.#fault(item as Node, `"${path}" is not a map`, `Write key: value`);
      return [];
    });
  }

  /** Puts a fault on record for the field, or for the map when it has none. */
  fault(key: string, message: string, remedy: string): void {
    this.#fault(this.#node(key) ?? this.#map, message, remedy);
  }

  /** Call it last: fields that nobody read are not known. */
  finish(): void {
    for (const { key } of this.#map.items) {
      const name = isScalar(key) ? String(key.value) : "";
      if (this.#known.has(name)) continue;
      const nearest = nearestName(name, this.#known);
      const remedy =
        nearest === undefined
          ? `Known fields: ${[...this.#known].join(", ")}`
          : `Did you mean "${nearest}"?`;
      this.#fault(key as Node, `"${this.#path}${name}" is not known`, remedy);
    }
  }

  #read<T>(
    node: Node,
    { name, key, read }: { name: string; key: string; read: (text: string) => T },
  ): T | undefined {
    // The source, as YAML would read 0644 or yes as something else.
    const source = isScalar(node) && node.value !== null ? node.source : undefined;
    if (source === undefined) {
      this.#fault(node, `"${this.#path}${name}" is not one value`, `Write ${key}: value`);
      return undefined;
    }
    try {
      return read(source);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      this.#fault(node, `"${this.#path}${name}": ${error.message}`, `Correct ${key}`);
      return undefined;
    }
  }

  #node(key: string): Node | undefined {
    this.#known.add(key);
    const pair = this.#map.items.find((item) => isScalar(item.key) && item.key.value === key);
    if (pair === undefined) return undefined;
    const node = (pair.value ?? pair.key) as Node;
    this.#findings.lines[`${this.#path}${key}`] = this.#position(node).line;
    return node;
  }

  #fault(node: Node, message: string, remedy: string): void {
    this.#findings.faults.push({ ...this.#position(node), message, remedy });
  }

  #position(node: Node): { line: number; column: number } {
    const { line, col } = this.#findings.counter.linePos(node.range?.[0] ?? 0);
    return { line, column: col };
  }
}

function notEmpty(text: string): string {
  if (text.trim() === "") throw new SyntaxError("it is empty");
  return text;
}
