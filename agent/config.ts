import { readFile } from "node:fs/promises";
import { hostname } from "node:os";
import { isMap, isScalar, isSeq, LineCounter, type Node, parseDocument, type YAMLMap } from "yaml";
import { DbctlError } from "../core/errors.ts";
import { parseServer, type Target } from "./adapters.ts";

/** What an agent is told on its host. Holds no secret. */
export interface AgentConfig {
  /** The name under which the host is known in the fleet. */
  host: string;
  /** Folder of all that this host keeps. */
  stateDir: string;
  instances: InstanceConfig[];
  /** Repositories that it may use, as normalized URLs; any that the controller names when unset. */
  repositories?: string[];
}

/** A database server that the agent looks after. */
export interface InstanceConfig {
  name: string;
  server: Target;
  labels: Record<string, string>;
}

/** Reads the file; every fault in it is told at once, with its line. */
export async function readAgentConfig(path: string): Promise<AgentConfig> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    throw new DbctlError("file-missing", `Cannot read ${path}: ${(cause as Error).message}`, {
      remedy: "Name the agent's configuration with --config; docs/fleet.md shows one",
      cause,
    });
  }
  return parseAgentConfig(text, path);
}

export function parseAgentConfig(text: string, path: string): AgentConfig {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const reader = new Reader(path, lines);
  for (const error of document.errors) reader.fault(undefined, error.message.split("\n")[0] ?? "");
  const top = reader.map(document.contents, ["host", "state_dir", "instances", "repositories"]);
  const config = {
    host: reader.text(top, "host", { pattern: hostPattern, fallback: hostname() }),
    stateDir: reader.text(top, "state_dir", { pattern: /^\//, fallback: "/var/lib/dbctl" }),
    instances: readInstances(reader, top),
    ...readRepositories(reader, top),
  };
  reader.refuseFaults();
  return config;
}

const hostPattern = /^[A-Za-z0-9][A-Za-z0-9.-]{0,252}$/;
const namePattern = /^[A-Za-z0-9][\w.-]{0,62}$/;
const labelPattern = /^[\w.:/-]{1,253}$/;

function readInstances(reader: Reader, top: YAMLMap | undefined): InstanceConfig[] {
  const list = top?.get("instances", true) as Node | undefined;
  if (!isSeq(list) || list.items.length === 0) {
    reader.fault(list ?? top, "instances must be a list of at least one server");
    return [];
  }
  const names = new Set<string>();
  return list.items.flatMap((item) => {
    const map = reader.map(item as Node, ["name", "url", "labels"]);
    const name = reader.text(map, "name", { pattern: namePattern });
    if (names.has(name) && name !== "") reader.fault(item as Node, `name ${name} is there twice`);
    names.add(name);
    const server = readServer(reader, map);
    const labels = readLabels(reader, map);
    return server === undefined ? [] : [{ name, server, labels }];
  });
}

function readServer(reader: Reader, map: YAMLMap | undefined): Target | undefined {
  const url = reader.text(map, "url", { pattern: /./ });
  if (url === "") return undefined;
  try {
    return parseServer(url);
  } catch (error) {
    const { message, remedy } = DbctlError.from(error);
    reader.fault(map, `${message} (${remedy})`);
    return undefined;
  }
}

function readLabels(reader: Reader, map: YAMLMap | undefined): Record<string, string> {
  const labels = map?.get("labels", true) as Node | undefined;
  if (labels === undefined) return {};
  const entries = reader.map(labels)?.items ?? [];
  return Object.fromEntries(
    entries.map(({ key, value }) => {
      const pair = [key, value].map((part) => String(isScalar(part) ? part.value : ""));
      const right = pair.every((part) => labelPattern.test(part));
      if (!right) reader.fault(labels, `label ${pair.join(": ")} must match ${labelPattern}`);
      return [pair[0] ?? "", pair[1] ?? ""];
    }),
  );
}

function readRepositories(reader: Reader, top: YAMLMap | undefined): { repositories?: string[] } {
  const list = top?.get("repositories", true) as Node | undefined;
  if (list === undefined) return {};
  const urls = (isSeq(list) ? list.items : []).map((item) => isScalar(item) && String(item.value));
  const repositories = urls.flatMap((url) => (url && URL.canParse(url) ? [new URL(url).href] : []));
  if (repositories.length === 0 || repositories.length < urls.length)
    reader.fault(list, "repositories must be a list of URLs, for example file:///backups");
  return { repositories };
}

/** Reads nodes of one file and gathers what is wrong with them. */
class Reader {
  readonly #path: string;
  readonly #lines: LineCounter;
  readonly #faults: string[] = [];

  constructor(path: string, lines: LineCounter) {
    this.#path = path;
    this.#lines = lines;
  }

  fault(node: Node | undefined, what: string): void {
    const { line, col } = this.#lines.linePos(node?.range?.[0] ?? 0);
    this.#faults.push(node === undefined ? what : `line ${line}, column ${col}: ${what}`);
  }

  /** A map with no other keys than these; any keys when none are named. */
  map(node: Node | null | undefined, known?: string[]): YAMLMap | undefined {
    if (!isMap(node)) {
      this.fault(node ?? undefined, "there must be a map with keys and values here");
      return undefined;
    }
    for (const { key } of node.items) {
      const name = String(isScalar(key) ? key.value : key);
      if (known !== undefined && !known.includes(name))
        this.fault(key as Node, `${name} is not known here; known: ${known.join(", ")}`);
    }
    return node;
  }

  text(
    map: YAMLMap | undefined,
    name: string,
    { pattern, fallback }: { pattern: RegExp; fallback?: string },
  ): string {
    if (map === undefined) return fallback ?? "";
    const node = map.get(name, true) as Node | undefined;
    if (node === undefined && fallback !== undefined) return fallback;
    const value = isScalar(node) ? node.value : undefined;
    if (typeof value === "string" && pattern.test(value)) return value;
    this.fault(node ?? map, `${name} must be a text that matches ${pattern}`);
    return "";
  }

  refuseFaults(): void {
    if (this.#faults.length === 0) return;
    const what = `Cannot use ${this.#path}: ${this.#faults.join("; ")}`;
    throw new DbctlError("config-invalid", what, {
      remedy: "Correct every named line, then start the agent again",
    });
  }
}
