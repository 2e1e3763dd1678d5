import type { RemoteClient, Pace } from "./remote-client.ts";
import type { RetryPolicy } from "./retry-policy.ts";
import { type RetryParts, type Try, withRetries } from "./with-retries.ts";

/** A cloud's client, and how patient and how fast to be with it. */
export interface Remote {
  client: RemoteClient;
  policy: RetryPolicy;
  parts: RetryParts;
  limits: TransferLimits;
}

/** Caps on what goes up and comes down; none where undefined. */
export interface TransferLimits {
  upload?: TransferLimit;
  download?: TransferLimit;
}

export interface TransferLimit {
  /** Resolves when so many bytes may pass. Rejects with the signal's reason at once. */
  take(bytes: number, options: { signal: AbortSignal }): Promise<void>;
}

export interface Call {
  /** For the sentence: `create`, `read`, `list` … */
  act: string;
  key: string;
  signal: AbortSignal;
  stallMs?: number;
}

/** Makes the call as often as the policy allows. */
export async function callAgain<T>(
  { client, policy, parts }: Remote,
  { act, key, ...call }: Call,
  attempt: (turn: Try) => Promise<T>,
): Promise<T> {
  const what = `${act} ${key === "" ? "objects" : key} in ${client.url}`;
  return await withRetries(attempt, { what, policy, parts, ...call });
}

/** Keeps the cap, and tells the try that its bytes are moving. */
export function paceBy(limit: TransferLimit | undefined, turn: Try): Pace {
  return async (bytes) => {
    turn.signal.throwIfAborted();
    if (limit !== undefined) await turn.pause(limit.take(bytes, { signal: turn.signal }));
    turn.moved();
  };
}
