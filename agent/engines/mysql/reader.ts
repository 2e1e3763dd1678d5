import { DbctlError } from "../../../core/errors.ts";
import type { Part, PartReader, Waiting } from "../engine.ts";
import type { RowSink } from "../../pipeline/row-sink.ts";
import { keyCondition } from "./key-range.ts";
import { quoteName } from "./quote.ts";
import { type Login, openSession, type Session } from "./session.ts";
import { setUpReading } from "./setup-session.ts";
import { detailsOf } from "./table-details.ts";
import { readExpression } from "./value-codec.ts";

/** Begins a view of its own; the leader of the snapshot holds the server still meanwhile. */
export async function openReader(login: Login, { signal }: Waiting): Promise<PartReader> {
  await using stack = new AsyncDisposableStack();
  const session = stack.use(await openSession(login, { signal }));
  await setUpReading(session, signal);
  await beginView(session, signal);
  // Text comes as the bytes of the column's own character set.
  await session.execute("SET SESSION character_set_results = NULL", { signal });
  const owned = stack.move();
  return {
    readPart: (part, sink, waiting) => readPart(session, part, { sink, ...waiting }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Pins the session's view to this moment. */
export async function beginView(session: Session, signal: AbortSignal): Promise<void> {
  const act = "begin a snapshot";
  await session.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY", { signal, act });
  await session.execute("SAVEPOINT dbctl", { signal, act });
}

/** Gives up the locks on tables that a statement has taken, and keeps the view. */
export async function releaseTables(session: Session, signal: AbortSignal): Promise<void> {
  const act = "keep a snapshot";
  await session.execute("ROLLBACK TO SAVEPOINT dbctl", { signal, act });
}

async function readPart(
  session: Session,
  part: Part,
  { sink, signal }: Waiting & { sink: RowSink },
): Promise<void> {
  const { name, columns } = part.table;
  const act = `read table ${name}`;
  const options = { sink, columns: columns.length, signal, act };
  const warnings = await session.streamRows(selectRows(part), options);
  if (warnings > 0) {
    const [warning] = await session.query("SHOW WARNINGS", { signal });
    throw new DbctlError(
      "engine-refused",
      `Cannot ${act}: ${warning?.["Message"] ?? "a warning"}`,
      {
        remedy: "Repair the table (CHECK TABLE says more), then back up again",
      },
    );
  }
  await releaseTables(session, signal);
}

/** Rows in the order of the key, so that unchanged rows make the same chunks again. */
function selectRows({ table, range }: Part): string {
  const { codecs, order, key, index, history } = detailsOf(table);
  const values = table.columns.map((column, n) => {
    const codec = codecs[n];
    if (codec === undefined) throw new RangeError("Cannot read a column without codec");
    return readExpression(column, codec);
  });
  const from = `${quoteName(table.name)}${history ? " FOR SYSTEM_TIME ALL" : ""}`;
  const force = index === null ? "" : ` FORCE INDEX (${quoteName(index)})`;
  const condition = keyCondition(key ?? [], range);
  const where = condition === "" ? "" : ` WHERE ${condition}`;
  const sorted = order.length === 0 ? "" : ` ORDER BY ${order.map(quoteName).join(", ")}`;
  return `SELECT ${values.join(", ")} FROM ${from}${force}${where}${sorted}`;
}
