import { createHash } from "node:crypto";
import { DbctlError } from "../../../core/errors.ts";
import { getObject } from "./get-object.ts";
import { callAgain, type Remote } from "./remote.ts";

interface Written {
  size: number;
  /** Hex. */
  sha256: string;
  signal: AbortSignal;
}

/**
 * Whether the object holds exactly these bytes: by its size, then by reading it back (REPO-13).
 *
 * `unknown` where the store denies to look, as it does to a host that may only create. There, what
 * exists after our own request counts as ours: the store has compared the bytes with a checksum
 * before it took them, and the names that hosts make hold at least 40 random bits.
 */
export async function isWritten(
  remote: Remote,
  key: string,
  { size, sha256, signal }: Written,
): Promise<"yes" | "no" | "unknown"> {
  const { client } = remote;
  try {
    const info = await callAgain(remote, { act: "look at", key, signal }, async (turn) =>
      client.head(key, { signal: turn.signal }),
    );
    if (info?.size !== size) return "no";
    const hash = createHash("sha256");
    const range = { offset: 0, length: size };
    for await (const piece of getObject(remote, key, { range, signal })) hash.update(piece);
    return hash.digest("hex") === sha256 ? "yes" : "no";
  } catch (error) {
    if (error instanceof DbctlError && error.code === "store-denied") return "unknown";
    throw error;
  }
}
