/**
 * A key that never leaves its service: it encrypts the identity of a recipient and decrypts it for
 * whoever has the right there. Hosts that back up need neither.
 *
 * Errors: `access-denied` when the service refuses, `identity-wrong` when the bytes or the context
 * are not those that were encrypted, `store-unreachable` when there is no answer.
 */
export interface KeyService {
  /** Names the key, without secrets: `awskms:///alias/backup?region=eu-central-1`. */
  readonly url: string;

  /** At most 4096 bytes. */
  wrap(plain: Uint8Array, context: KeyContext, options: { signal: AbortSignal }): Promise<Buffer>;

  /** What was wrapped, in the very same context. */
  unwrap(
    wrapped: Uint8Array,
    context: KeyContext,
    options: { signal: AbortSignal },
  ): Promise<Buffer>;
}

/** What the encryption is bound to: nobody can use it in another place. */
export interface KeyContext {
  repository: string;
  recipient: string;
}
