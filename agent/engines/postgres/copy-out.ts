import type { Framing, RowSink } from "../../pipeline/row-sink.ts";
import { encodeMessage, type Message, violation } from "./messages.ts";
import { RowIntake } from "./row-intake.ts";
import type { PostgresSession, StatementOptions, Turn } from "./session.ts";

export interface CopyOut extends StatementOptions {
  sink: RowSink;
  framing: Framing;
}

/**
 * Runs statements of which one is a COPY … TO STDOUT, and sends its rows to the sink. Manual,
 * "COPY Operations". Resolves when the server has confirmed the end of all, and that it has sent as
 * many rows as the sink has taken.
 */
export function copyOut(session: PostgresSession, sql: string, options: CopyOut): Promise<void> {
  return session.exchange(options, async (turn) => {
    await turn.wire.write(encodeMessage("Q", sql));
    checkFormat(await awaitCopy(turn, "H"), options.framing === "postgres-copy-binary");
    const before = options.sink.rows;
    await receive(turn, options);
    const [sent, taken] = [await readCount(turn), options.sink.rows - before];
    if (BigInt(sent) !== taken) throw violation(`${taken} rows of a COPY came, it says ${sent}`);
  });
}

/** What a server says of a COPY after its rows: how many they were. Reads until it is ready. */
export async function readCount({ readMessage }: Turn): Promise<number> {
  let count: number | undefined;
  for (;;) {
    const { type, body } = await readMessage();
    if (type === "C") count ??= parseCount(body);
    else if (type !== "Z") throw violation(`a message "${type}" came after the rows of a COPY`);
    else if (count === undefined) throw violation("it does not say how many rows a COPY had");
    else return count;
  }
}

function parseCount(tag: Buffer): number | undefined {
  const digits = /^COPY ([0-9]{1,15})\0$/.exec(tag.toString("latin1"))?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** The answer that begins a COPY; statements before it have ended. */
export async function awaitCopy({ readMessage }: Turn, type: "G" | "H"): Promise<Message> {
  for (;;) {
    const message = await readMessage();
    if (message.type === type) return message;
    if (message.type !== "C") throw violation(`a message "${message.type}" came before a COPY`);
  }
}

export function checkFormat({ body }: Message, isBinary: boolean): void {
  if (body[0] !== (isBinary ? 1 : 0)) throw violation("it copies in another format than asked for");
}

async function receive({ wire, signal, readOne }: Turn, { sink, framing }: CopyOut): Promise<void> {
  const intake = new RowIntake(sink, framing);
  for (;;) {
    await wire.receiveRows(intake, { signal });
    const message = await readOne();
    if (message?.type === "c") return;
    if (message !== undefined)
      throw violation(`a message "${message.type}" came between the rows of a COPY`);
  }
}
