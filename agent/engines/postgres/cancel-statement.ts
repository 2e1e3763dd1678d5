import { once } from "node:events";
import { connect } from "./connect.ts";
import { encodeMessage, uint32 } from "./messages.ts";
import type { PostgresTarget } from "./target.ts";

/**
 * Asks the server to cancel what a session of ours is doing. Manual, "Canceling Requests in
 * Progress". It is a courtesy: the server gives no answer, and one that cannot be reached has
 * nothing more to lose, so this never fails.
 */
export async function cancelStatement(
  target: PostgresTarget,
  { cancelKey, limitMs }: { cancelKey: Buffer; limitMs: number },
): Promise<void> {
  const signal = AbortSignal.timeout(limitMs);
  const onread = { buffer: Buffer.alloc(64), callback: () => true };
  try {
    const socket = await connect(target, { signal, onread });
    socket.on("error", () => socket.destroy());
    socket.resume();
    const closed = once(socket, "close", { signal });
    socket.end(encodeMessage("", uint32(80877102), cancelKey));
    await closed.finally(() => socket.destroy());
  } catch {
    // See above.
  }
}
