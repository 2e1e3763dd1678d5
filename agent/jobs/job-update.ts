import type { MessageInitShape } from "@bufbuild/protobuf";
import type { JobProgress, JobResultSchema } from "../../proto/gen/dbctl/v1/jobs_pb.ts";

export type ResultInit = MessageInitShape<typeof JobResultSchema>;

/** What a job under way tells. The last one is its result. */
export type JobUpdate =
  | { kind: "progress"; progress: Pick<JobProgress, "phase" | "bytesDone" | "bytesTotal"> }
  | { kind: "finished"; result: ResultInit };

/** Progress of one phase after the other. */
export class PhaseProgress {
  #phase = "";
  #done = 0;
  #total = 0;

  begin(phase: string, total = 0): JobUpdate {
    this.#phase = phase;
    this.#done = 0;
    this.#total = total;
    return this.add(0);
  }

  add(bytes: number): JobUpdate {
    this.#done += bytes;
    const [bytesDone, bytesTotal] = [this.#done, this.#total].map((n) => BigInt(Math.trunc(n)));
    const progress = {
      phase: this.#phase,
      bytesDone: bytesDone ?? 0n,
      bytesTotal: bytesTotal ?? 0n,
    };
    return { kind: "progress", progress };
  }
}
