import { DbctlError } from "../../core/errors.ts";
import { checkCopy, checkWorld } from "./check-world.ts";
import { converge } from "./converge.ts";
import { operations, prune } from "./operations.ts";
import { Random } from "./random.ts";
import { Crash, type Trouble, troubled } from "./trouble.ts";
import { makeWorld, note, type World } from "./world.ts";

export interface ModelRun {
  seed: number;
  steps: number;
  /** How often each operation was done, and each trouble met. */
  sums: Record<string, number>;
}

/** Steps after which a new world begins, so that worlds stay small. */
const stepsOfWorld = 250;

/** Does random things to random repositories; throws, with the seed, when one is not as it must be. */
export async function runModel({
  seed,
  steps,
}: {
  seed: number;
  steps: number;
}): Promise<ModelRun> {
  const sums: Record<string, number> = {};
  for (let done = 0; done < steps; done += stepsOfWorld) {
    const worldSeed = seed + done;
    await using world = await makeWorld(new Random(worldSeed));
    try {
      for (let n = 0; n < Math.min(stepsOfWorld, steps - done); n++) await step(world);
      await checkWorld(world);
      await converge(world);
    } catch (cause) {
      const told = world.log.slice(-40).join("\n  ");
      const what = `Model seed ${worldSeed}, after:\n  ${told}\n${String(cause)}`;
      throw new Error(what, { cause });
    }
    for (const [name, count] of Object.entries(world.sums)) sums[name] = (sums[name] ?? 0) + count;
  }
  return { seed, steps, sums };
}

const names = Object.keys(operations) as (keyof typeof operations)[];
const weights = Object.fromEntries(names.map((name) => [name, operations[name].weight])) as Record<
  keyof typeof operations,
  number
>;

async function step(world: World): Promise<void> {
  const name = world.random.choose(weights);
  const trouble = inventTrouble(world, name);
  // A copy is in danger where it is written.
  const { store, state } = troubled(name === "sync" ? world.copy : world.store, trouble);
  try {
    await operations[name].act(world, store);
  } catch (error) {
    if (!isExpected(error) || !(state.happened || isRefusal(error))) throw error;
    note(world, `failed ${name}: ${error instanceof Error ? error.message : ""}`);
  }
  if (state.happened) note(world, `${trouble.kind} in ${name}`);
  if (state.happened || world.random.chance(0.05)) await checkWorld(world);
  if (name === "sync") await checkCopy(world);
}

/** Most calls of an operation are its first hundred. */
function inventTrouble(world: World, name: string): Trouble {
  const { random } = world;
  const call = Math.floor(random.next() ** 2 * (name === "backup" ? 40 : 120));
  switch (random.choose({ none: 60, crash: 22, error: 10, meanwhile: 8 })) {
    case "crash":
      return { kind: "crash", call, done: random.chance(0.5) };
    case "error":
      return { kind: "error", call, done: random.chance(0.5) };
    case "meanwhile":
      return { kind: "meanwhile", call, act: () => refusable(() => prune(world, world.store)) };
    case "none":
      return { kind: "none" };
  }
}

async function refusable(act: () => Promise<void>): Promise<void> {
  try {
    await act();
  } catch (error) {
    if (!isExpected(error)) throw error;
  }
}

/** What may fail, as long as it says so: a refusal, the trouble itself, what follows a crash. */
function isExpected(error: unknown): boolean {
  if (error instanceof Crash) return true;
  if (error instanceof SuppressedError)
    return isExpected(error.error) && isExpected(error.suppressed);
  if (!(error instanceof DbctlError)) return false;
  return error.code !== "internal-bug" && !damages.has(error.code);
}

/** Without any trouble: a held backup, the last good one, one that a prune has begun to remove. */
function isRefusal(error: unknown): boolean {
  return error instanceof DbctlError && refusals.has(error.code);
}

const refusals = new Set(["access-denied", "backup-unknown"]);

/** Nothing that the model does may damage anything. */
const damages = new Set(["repository-damaged", "object-missing", "repository-newer"]);
