import { DbctlError } from "../../core/errors.ts";
import { damaged } from "../repository/damage.ts";

/** One is enough to stop; a host must not fill the memory of whoever prunes. */
export const mostTroubles = 1000;

/** What is wrong with objects that a prune has to understand. One is enough to remove nothing. */
export class Troubles {
  readonly found: DbctlError[] = [];

  add(error: DbctlError): void {
    if (this.found.length < mostTroubles) this.found.push(error);
  }

  /** An object that no version up to this one puts there. */
  addUnknown(key: string): void {
    this.add(damaged(key, "this version of dbctl does not know such an object"));
  }

  /** Runs the work; what is wrong with one object is noted, and the result is undefined. */
  async collect<T>(work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof DbctlError) || !aboutOneObject.has(error.code)) throw error;
      this.add(error);
      return undefined;
    }
  }
}

const aboutOneObject = new Set(["repository-damaged", "repository-newer", "object-missing"]);

/** Of many, so many are named. */
const named = 5;

/** One error for all of them. */
export function joinTroubles(troubles: readonly DbctlError[], act: string): DbctlError {
  const [first] = troubles;
  const shown = troubles.slice(0, named).map(({ message }) => message);
  const more = troubles.length - shown.length;
  const many = troubles.length < mostTroubles ? "" : " or more";
  const rest = more > 0 ? [`and ${more} more${many}`] : [];
  return new DbctlError(
    first?.code ?? "repository-damaged",
    `Cannot ${act}: not everything can be read. ${[...shown, ...rest].join("; ")}`,
    {
      remedy:
        `${first?.remedy ?? "Run dbctl repo check"}. ` +
        "Meanwhile, --instance ID prunes servers of which all can be read",
      cause: first,
    },
  );
}
