/**
 * Where everything that happens in the fleet is told: events and alerts for notifiers and for
 * programs of others. Messages are text, JSON in practice, and come in the order of publication.
 */
export interface Bus extends AsyncDisposable {
  /**
   * Resolves once the message is safe: every durable consumer will see it, whatever dies. One that
   * was published before under the same id is not told twice. Rejects when that is not known within
   * some seconds; publishing it again under its id is then right.
   */
  publish(message: BusMessage): Promise<void>;
  /**
   * Hands each message to `handle`, one after the other, until the signal aborts; it then resolves.
   * What `handle` rejects with ends the consumption and is thrown; that message, and one whose
   * consumer died, is handed out again. So a message may come more than once, under the same id.
   */
  consume(consumer: Consumer, signal: AbortSignal): Promise<void>;
}

export interface BusMessage {
  id: string;
  subject: string;
  body: string;
}

export interface Consumer {
  /** Remembered by the bus: who comes back under this name goes on where it was. */
  name: string;
  handle: (message: BusMessage) => Promise<void>;
}
