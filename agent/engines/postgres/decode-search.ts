import type { ValueDecoder, ValueReader } from "./value-reader.ts";

// Text search: tsvector.c and tsquery.c.

const weights = ["", "C", "B", "A"];

export const decodeVector: ValueDecoder = (value) => {
  const lexemes = Array.from({ length: value.count(3) }, () => {
    const lexeme = quote(value.cstring());
    const positions = Array.from({ length: value.u16() }, () => {
      const position = value.u16();
      return `${position & 0x3fff}${weights[position >> 14]}`;
    });
    return positions.length === 0 ? lexeme : `${lexeme}:${positions.join(",")}`;
  });
  return lexemes.join(" ");
};

type Query =
  | { kind: "value"; text: string }
  | { kind: "not"; operand: Query }
  | { kind: "pair"; sign: string; rank: number; left: Query; right: Query };

const [isValue, isOperator] = [1, 2];
const [not, and, or, phrase] = [1, 2, 3, 4];
const notRank = 4;
const phraseRank = 3;
/** Nested deeper than this is refused: each level is a call. */
const deepest = 5_000;

export const decodeQuery: ValueDecoder = (value) => {
  if (value.count(2) === 0) return "";
  return format(readQuery(value, 0), { rank: -1, rightOfPhrase: false });
};

/** Operators stand before their operands, the right one first. */
function readQuery(value: ValueReader, depth: number): Query {
  if (depth > deepest) throw new RangeError("it is nested too deep");
  const type = value.u8();
  if (type === isValue) return { kind: "value", text: readOperand(value) };
  if (type !== isOperator) throw new RangeError("an item in it is unknown");
  const operator = value.u8();
  if (operator === not) return { kind: "not", operand: readQuery(value, depth + 1) };
  const [sign, rank] = signOf(value, operator);
  const right = readQuery(value, depth + 1);
  return { kind: "pair", sign, rank, left: readQuery(value, depth + 1), right };
}

function signOf(value: ValueReader, operator: number): [string, number] {
  if (operator === and) return ["&", 2];
  if (operator === or) return ["|", 1];
  if (operator !== phrase) throw new RangeError("an operator in it is unknown");
  const distance = value.i16();
  return [distance === 1 ? "<->" : `<${distance}>`, phraseRank];
}

function readOperand(value: ValueReader): string {
  const [weight, isPrefix] = [value.u8(), value.u8()];
  const letters = [...weights.entries()].filter(([n]) => (weight & (1 << n)) !== 0).toReversed();
  const marks = `${isPrefix === 0 ? "" : "*"}${letters.map(([, one]) => one || "D").join("")}`;
  const lexeme = quote(value.cstring());
  return marks === "" ? lexeme : `${lexeme}:${marks}`;
}

/** Where a part of a query stands: parentheses depend on it. */
interface Around {
  rank: number;
  rightOfPhrase: boolean;
}

function format(query: Query, around: Around): string {
  if (query.kind === "value") return query.text;
  if (query.kind === "not") {
    const text = `!${format(query.operand, { rank: notRank, rightOfPhrase: false })}`;
    return notRank < around.rank ? `( ${text} )` : text;
  }
  const { sign, rank } = query;
  const isPhrase = rank === phraseRank;
  const left = format(query.left, { rank, rightOfPhrase: false });
  const right = format(query.right, { rank, rightOfPhrase: isPhrase });
  const text = `${left} ${sign} ${right}`;
  return rank < around.rank || (isPhrase && around.rightOfPhrase) ? `( ${text} )` : text;
}

function quote(lexeme: string): string {
  return `'${lexeme.replace(/['\\]/g, "$&$&")}'`;
}
