import { damageOf, isDamage } from "../repository/damage.ts";
import { inParallel } from "../repository/in-parallel.ts";
import { foldMarks, type MarkState } from "../repository/mark-state.ts";
import {
  controlFolder,
  markKey,
  marksPrefix,
  recipientsKey,
  recipientsPrefix,
} from "../repository/object-key.ts";
import { type ParsedKey, parseKey } from "../repository/parse-key.ts";
import { readChain } from "../repository/read-marks.ts";
import { readObject } from "../repository/read-object.ts";
import { maxRecipientListBytes, parseRecipientList } from "../repository/recipient-list.ts";
import { readRemoval, type Removal } from "../repository/removal.ts";
import type { ObjectInfo, ObjectStore } from "../store/object-store.ts";
import { damageAt, type Finding, noteAt } from "./finding.ts";

/** What operators and pruners have said; the key of every map is `instance/id`. */
export interface ControlFacts {
  removed: Map<string, { removal: Removal; created: Date | undefined }>;
  /** Backups with marks that can be read. */
  marks: Map<string, MarkState>;
  /** Epochs with a later sealing. */
  sealed: Set<string>;
  findings: Finding[];
}

interface Options {
  /** The repository's id. */
  repository: string;
  signal: AbortSignal;
}

/** Objects that are read at once. */
const readers = 8;

/** Reads every control object but the prunes' own, and checks that each is what its place says. */
export async function readControl(store: ObjectStore, options: Options): Promise<ControlFacts> {
  const facts: ControlFacts = {
    removed: new Map(),
    marks: new Map(),
    sealed: new Set(),
    findings: [],
  };
  const removals: ObjectInfo[] = [];
  const lists: string[] = [];
  const chains = new Map<string, ObjectInfo[]>();
  for await (const info of store.list(`${controlFolder}/`, options)) {
    const parsed = parseKey(info.key);
    if (parsed === undefined)
      facts.findings.push(noteAt(info.key, ["foreign", "it is none of this repository's objects"]));
    else if (parsed.kind === "removal") removals.push(info);
    else if (parsed.kind === "mark") addTo(chains, nameOf(parsed), info);
    else if (info.key.startsWith(recipientsPrefix)) lists.push(info.key);
    else if (parsed.kind === "keys") noteSealing(info.key, facts);
  }
  await checkLists(store, { keys: lists, facts, ...options });
  await inParallel(removals, readers, (info) => takeRemoval(store, info, { facts, ...options }));
  await inParallel(chains, readers, (chain) => takeMarks(store, chain, { facts, ...options }));
  return facts;
}

function nameOf({ instance, id }: Extract<ParsedKey, { kind: "mark" | "removal" }>): string {
  return `${instance}/${id}`;
}

function addTo(chains: Map<string, ObjectInfo[]>, name: string, info: ObjectInfo): void {
  const chain = chains.get(name) ?? [];
  chains.set(name, chain);
  chain.push(info);
}

function noteSealing(key: string, { sealed }: ControlFacts): void {
  const [, kind, instance, epoch] = key.split("/");
  if (kind === "epochs") sealed.add(`${instance}/${epoch}`);
}

interface Reading extends Options {
  facts: ControlFacts;
}

/** Lists are counted from 1 without a gap; each says its number and repository. */
async function checkLists(
  store: ObjectStore,
  { keys, facts, repository, signal }: Reading & { keys: string[] },
): Promise<void> {
  const gaps = missingKeys(
    keys.map((key) => ({ key })),
    recipientsKey,
  );
  facts.findings.push(...gaps.map((key) => damageAt(key, ["missing", "a later list is there"])));
  for (const key of keys)
    await judge(facts, key, async () => {
      const list = parseRecipientList(
        await readObject(store, key, { max: maxRecipientListBytes, signal }),
        key,
      );
      const what = `it is list ${list.number} of repository ${list.repository}`;
      if (list.repository !== repository) facts.findings.push(damageAt(key, ["foreign", what]));
      else if (recipientsKey(list.number) !== key)
        facts.findings.push(damageAt(key, ["swapped", what]));
    });
}

/** So many gaps of one count are named: whoever makes one up must not fill our memory. */
const mostGaps = 100;

/** Keys that are counted from 1 without a gap, and come in order: those that are not there. */
function missingKeys(
  infos: readonly { key: string }[],
  keyOf: (number: number) => string,
): string[] {
  const there = new Set(infos.map(({ key }) => key));
  const last = Number(infos.at(-1)?.key.slice(-8) ?? 0);
  const gaps: string[] = [];
  for (let number = 1; number < last && gaps.length < mostGaps; number++)
    if (!there.has(keyOf(number))) gaps.push(keyOf(number));
  return gaps;
}

async function takeRemoval(
  store: ObjectStore,
  { key, created }: ObjectInfo,
  { facts, repository, signal }: Reading,
): Promise<void> {
  const parsed = parseKey(key);
  if (parsed?.kind !== "removal") return;
  await judge(facts, key, async () => {
    const removal = await readRemoval(store, { repository, ...parsed }, { signal });
    facts.removed.set(nameOf(parsed), { removal, created });
  });
}

async function takeMarks(
  store: ObjectStore,
  [name, infos]: [string, ObjectInfo[]],
  { facts, repository, signal }: Reading,
): Promise<void> {
  const [instance = "", id = ""] = name.split("/");
  const place = { repository, instance, id };
  const gaps = missingKeys(infos, (number) => markKey(place, number));
  facts.findings.push(...gaps.map((key) => damageAt(key, ["missing", "a later mark is there"])));
  if (gaps.length > 0) return;
  await judge(facts, marksPrefix(place), async () => {
    facts.marks.set(name, foldMarks(await readChain(store, { place, infos, signal })));
  });
}

/** Names the object that the error is about: of a chain of marks, the one that is damaged. */
async function judge(facts: ControlFacts, object: string, read: () => Promise<void>) {
  try {
    await read();
  } catch (error) {
    if (!isDamage(error)) throw error;
    const [, named = object] = /^Cannot read (\S+): /.exec(error.message) ?? [];
    const what = damageOf(named, error);
    const kind = what.startsWith("it is of another repository") ? "foreign" : "flipped";
    facts.findings.push(damageAt(named, [kind, what]));
  }
}
