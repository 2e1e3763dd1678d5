import { awaitCopy, checkFormat, readCount } from "./copy-out.ts";
import { encodeMessage } from "./messages.ts";
import type { PostgresSession, StatementOptions, Turn } from "./session.ts";

export interface CopyIn extends StatementOptions {
  bytes: AsyncIterable<Uint8Array>;
  isBinary: boolean;
}

/** Bytes of a CopyData message at most. */
const messageBytes = 1 << 20;
/** Manual, COPY, "Binary Format": signature, flags, length of an extension; and the trailer. */
const binaryHeader = Buffer.from("PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0", "latin1");
const binaryTrailer = Buffer.of(0xff, 0xff);

/**
 * Runs statements of which one is a COPY … FROM STDIN and feeds it with rows, cut anywhere. Gives
 * the count of rows that the server says it has taken. Manual, "COPY Operations".
 */
export function copyIn(
  session: PostgresSession,
  sql: string | Uint8Array,
  options: CopyIn,
): Promise<number> {
  return session.exchange(options, async (turn) => {
    const text = typeof sql === "string" ? sql : Buffer.concat([sql, Buffer.of(0)]);
    await turn.wire.write(encodeMessage("Q", text));
    checkFormat(await awaitCopy(turn, "G"), options.isBinary);
    await send(turn, options);
    return await readCount(turn);
  });
}

/** Keeps one message in flight, so that the source makes the next one meanwhile. */
async function send({ wire, readOne }: Turn, { bytes, isBinary }: CopyIn): Promise<void> {
  let written = isBinary ? wire.write(copyData(binaryHeader), binaryHeader) : Promise.resolve();
  // Awaited below, as all writes: until then it is nobody's.
  written.catch(() => undefined);
  for await (const piece of bytes) {
    for (let at = 0; at < piece.length; at += messageBytes) {
      await written;
      // While rows are sent, the server speaks only to say that it has failed, or a notice.
      while (wire.hasArrived) await readOne();
      const data = piece.subarray(at, at + messageBytes);
      written = wire.write(copyData(data), data);
      written.catch(() => undefined);
    }
  }
  await written;
  if (isBinary) await wire.write(copyData(binaryTrailer), binaryTrailer);
  await wire.write(encodeMessage("c"));
}

function copyData(data: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.write("d", "latin1");
  head.writeUInt32BE(4 + data.length, 1);
  return head;
}
