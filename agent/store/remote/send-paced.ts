import { Readable } from "node:stream";
import type { Pace } from "./remote-client.ts";

const pieceBytes = 64 << 10;

/** The bytes as a body whose pieces go out as `pace` allows. Views: nothing is copied. */
export async function* sendPaced(bytes: Buffer, pace?: Pace): AsyncGenerator<Buffer, void> {
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    const piece = bytes.subarray(at, at + pieceBytes);
    await pace?.(piece.length);
    yield piece;
  }
}

/**
 * The same as a stream, for clients that pipe it into their request. They do not listen to its
 * errors, and an error that nobody listens to ends the process: a pace that was cancelled is one.
 * The signal that has cancelled it ends the request, and with it the put.
 */
export function streamPaced(bytes: Buffer, pace?: Pace): Readable {
  const body = Readable.from(sendPaced(bytes, pace), {
    objectMode: false,
    highWaterMark: pieceBytes,
  });
  return body.on("error", () => {});
}
