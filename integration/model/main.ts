// The nightly run: `npm run model [-- STEPS [SEED]]`, a million steps unless told otherwise.
import { randomInt } from "node:crypto";
import process from "node:process";
import { runModel } from "./run-model.ts";

const [steps = 1_000_000, seed = randomInt(2 ** 31)] = process.argv.slice(2).map(Number);
const block = 5000;
process.stdout.write(`seed ${seed}, ${steps} steps\n`);
for (let done = 0; done < steps; done += block) {
  const { sums } = await runModel({ seed: seed + done, steps: Math.min(block, steps - done) });
  process.stdout.write(`${done + block} ${JSON.stringify(sums)}\n`);
}
