import type { ScriptEvent, ScriptLexer } from "./script-lexer.ts";

/** All events of a text that is given in pieces, cut at the given places; rows are joined. */
export function lexAll(lexer: ScriptLexer, bytes: Buffer, cuts: number[] = []): ScriptEvent[] {
  const borders = [0, ...cuts.toSorted((a, b) => a - b), bytes.length];
  const events = borders.flatMap((from, n) => lexer.push(bytes.subarray(from, borders[n + 1])));
  const joined: ScriptEvent[] = [];
  for (const event of [...events, ...lexer.finish()]) {
    const last = joined.at(-1);
    if (event.kind !== "rows" || last?.kind !== "rows") joined.push(event);
    else {
      const bytes = Buffer.concat([last.bytes, event.bytes]);
      joined[joined.length - 1] = { ...last, bytes, rows: last.rows + event.rows };
    }
  }
  return joined;
}

/** Events as short texts, for reading. */
export function describeEvents(events: ScriptEvent[]): string[] {
  return events.map((event) => {
    switch (event.kind) {
      case "statement":
      case "copy":
        return `${event.kind} ${event.place.line}: ${event.sql.toString("latin1")}`;
      case "rows":
        return `rows ${event.place.line}: ${event.bytes.toString("latin1")}`;
      case "connect":
        return `connect ${event.place.line}: ${event.database}`;
      case "refusal":
        return `refusal ${event.place.line}: ${event.what}`;
      case "comment":
        return `comment ${event.place.line}: ${event.text}`;
      case "copy-end":
        return `copy-end ${event.place.line}`;
      case "damage":
        return `${event.damage.kind} ${event.damage.place.line}: ${event.damage.what}`;
    }
  });
}
