import { hash } from "node:crypto";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { ChunkIndex } from "../../agent/repository/chunk-index.ts";
import { newRandomId } from "../../agent/repository/identifier.ts";
import { makeScratchFolder } from "../fixtures/scratch-folder.ts";

/** Chunks of a mebibyte in a pack of 16. */
const perPack = 16;
const lookups = 1_000_000;

/** Time and peak memory of the index of an epoch with so many chunks. Runs alone: memory is the process's. */
export async function benchChunkIndex({ chunks }: { chunks: number }): Promise<void> {
  await using folder = await makeScratchFolder("chunk-index");
  const path = join(folder.path, "index.sqlite");
  using index = new ChunkIndex(path);
  const before = process.resourceUsage().maxRSS;
  const inserting = timed(() => fill(index, chunks));
  const known = timed(() => look(index, { from: 0, of: chunks, isThere: true }));
  const unknown = timed(() => look(index, { from: chunks, of: chunks, isThere: false }));
  const { size } = await stat(path);
  const peak = process.resourceUsage().maxRSS;
  const micro = ({ wall, cpu }: Spent, times: number) =>
    `${((wall / times) * 1000).toFixed(1)} µs (CPU ${((cpu / times) * 1000).toFixed(1)})`;
  console.log(`\nIndex of ${chunks} chunks (${perPack} in a pack)\n`);
  console.log(
    `- insert: ${micro(inserting, chunks)} a chunk, ${(inserting.wall / 1000).toFixed(0)} s`,
  );
  console.log(
    `- look up: ${micro(known, lookups)} a known one, ${micro(unknown, lookups)} a new one`,
  );
  console.log(`- file: ${(size / 1e6).toFixed(0)} MB, ${(size / chunks).toFixed(0)} bytes a chunk`);
  console.log(
    `- peak memory: ${(peak / 1e3).toFixed(0)} MB, ${(before / 1e3).toFixed(0)} MB before`,
  );
}

/** Milliseconds by the clock, and of the processor. */
interface Spent {
  wall: number;
  cpu: number;
}

function timed(work: () => void): Spent {
  const [begin, used] = [performance.now(), process.cpuUsage()];
  work();
  const { user, system } = process.cpuUsage(used);
  return { wall: performance.now() - begin, cpu: (user + system) / 1000 };
}

function idOf(n: number): Buffer {
  return hash("sha256", String(n), "buffer");
}

function fill(index: ChunkIndex, chunks: number): void {
  for (let first = 0; first < chunks; first += perPack) {
    const entries = Array.from({ length: Math.min(perPack, chunks - first) }, (_, n) => {
      const place = { offset: 8 + n * 600_000, stored: 600_000, bytes: 1 << 20 };
      return { id: idOf(first + n), ...place };
    });
    index.addPack({ pack: newRandomId(), size: perPack * 600_000 }, entries);
  }
}

function look(
  index: ChunkIndex,
  { from, of, isThere }: { from: number; of: number; isThere: boolean },
): void {
  const step = Math.max(Math.floor(of / lookups), 1);
  for (let n = 0; n < lookups; n++) {
    const found = index.find(idOf(from + ((n * step) % of))) !== undefined;
    if (found !== isThere) throw new Error(`chunk ${n}: the index is wrong`);
  }
}
