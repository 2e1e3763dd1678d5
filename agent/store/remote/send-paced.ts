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
