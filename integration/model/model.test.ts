import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { describe, test } from "node:test";
import { type ModelRun, runModel } from "./run-model.ts";

// Random operations, troubles and clocks on random repositories, against a model that is simple
// enough to be believed. `DBCTL_MODEL_SEED` repeats a run; `npm run model` does a million steps.

const steps = Number(process.env.DBCTL_MODEL_STEPS ?? 10_000);
const seed = Number(process.env.DBCTL_MODEL_SEED ?? randomInt(2 ** 31));
const stepsOfTest = 500;

describe(`a repository stays what the model says, seed ${seed}`, () => {
  const runs: ModelRun[] = [];
  for (let done = 0; done < steps; done += stepsOfTest)
    test(`steps ${done} to ${done + stepsOfTest}, seed ${seed + done}`, async () => {
      runs.push(await runModel({ seed: seed + done, steps: stepsOfTest }));
    });

  if (steps >= 2000)
    test("every kind of operation and of trouble was met", () => {
      const met = new Set(runs.flatMap(({ sums }) => Object.keys(sums)));
      for (const name of ["backup", "delete", "undelete", "hold", "release", "prune", "clock"])
        assert.ok(met.has(name), name);
      for (const name of ["rotate", "new-epoch", "sync", "lose-state", "clone", "rights"])
        assert.ok(met.has(name), name);
      for (const name of ["crash", "error", "meanwhile"]) assert.ok(met.has(name), name);
    });
});
