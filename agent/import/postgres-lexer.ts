import { CopyRows } from "./copy-rows.ts";
import { parseMetaCommand } from "./postgres-meta-command.ts";
import { PostgresTextRules } from "./postgres-text-rules.ts";
import { ScriptLexer } from "./script-lexer.ts";
import type { Place } from "./statement.ts";
import { byte, isSpace, isWord, spaceEnd, wordEnd } from "./sql-bytes.ts";

type State =
  | "text"
  | "string"
  | "escaped"
  | "name"
  | "line-comment"
  | "comment"
  | "dollar"
  | "copy";

/** Longer ones are no tags: the server keeps names of 63 bytes. */
const tagLimit = 256;
/** What is kept of a word: none that matters is longer. */
const wordLimit = 32;
/**
 * Cuts a script for PostgreSQL into statements, as its manual has it ("Lexical Structure"; psql
 * for `BEGIN ATOMIC`, parentheses and meta-commands).
 */
export class PostgresLexer extends ScriptLexer {
  #state: State = "text";
  #word = "";
  /** The statement's first words, and the last two of all, in upper case. */
  #words: string[] = [];
  #last = "";
  #depth = 0;
  /** How deep in `BEGIN ATOMIC … END` and CASE within it. */
  #bodies = 0;
  #comments = 0;
  #tag = "";
  #values = 0;
  #isValues = false;
  #isCopy = false;
  /** Whether the last token was an E'' string (1), and a new line came after it (2). */
  #continues = 0;
  readonly #rows = new CopyRows();
  readonly #rules = new PostgresTextRules();

  protected override scan(): void {
    while (!this.isDead && this.#step());
  }

  protected override open(): string | undefined {
    if (this.#state === "copy") return "the rows of a COPY have no end";
    return this.#state === "comment" ? "a comment has no end" : super.open();
  }

  /** Takes one token, or a piece of one; false when that needs more bytes. */
  #step(): boolean {
    switch (this.#state) {
      case "text":
        return this.#takeText();
      case "string":
        return this.#takeUpTo(byte.quote);
      case "name":
        return this.#takeUpTo(byte.double);
      case "escaped":
        return this.#takeEscaped();
      case "line-comment":
        if (!this.takeLineComment()) return false;
        this.#state = "text";
        return true;
      case "comment":
        return this.#takeComment();
      case "dollar":
        return this.#takeDollar();
      case "copy":
        return this.#takeRows();
    }
  }

  #takeText(): boolean {
    const code = this.data[this.at];
    if (code === undefined && !this.isLast) return false;
    if (isWord(code) && (code !== byte.dollar || this.#word !== "")) return this.#takeWord();
    if (this.#word !== "" && code === byte.quote && /^e$/i.test(this.#word))
      return this.#enter("escaped", 1);
    if (this.#word !== "") this.#endWord();
    if (code === undefined) return false;
    if (isSpace(code)) return this.#takeSpace();
    const continues = this.#continues;
    if (code !== byte.minus) this.#continues = 0;
    switch (code) {
      case byte.minus:
      case byte.slash:
        return this.#takeCommentSign(code);
      case byte.quote:
        return this.#enter(this.#rules.isStandard && continues < 2 ? "string" : "escaped", 1);
      case byte.double:
        return this.#enter("name", 1);
      case byte.dollar:
        return this.#takeTag();
      case byte.backslash:
        return this.#takeBackslash();
      default:
        return this.#takeSign(code);
    }
  }

  #takeWord(): boolean {
    this.begin();
    this.#continues = 0;
    const end = wordEnd(this.data, this.at);
    const room = wordLimit - this.#word.length;
    if (room > 0)
      this.#word += this.data.toString("latin1", this.at, Math.min(end, this.at + room));
    this.at = end;
    return true;
  }

  /** Notes what a word may mean for where the statement ends. */
  #endWord(): void {
    const word = this.#word.toUpperCase();
    this.#word = "";
    if (this.#words.length < 5) this.#words.push(word);
    if (this.#depth === 0) {
      if (this.#bodies > 0) this.#bodies += word === "CASE" ? 1 : word === "END" ? -1 : 0;
      else if (word === "ATOMIC" && this.#last === "BEGIN" && this.#isRoutine()) this.#bodies = 1;
      if (word === "STDIN" && this.#last === "FROM") this.#isCopy = this.#words[0] === "COPY";
      if (word === "VALUES") this.#isValues = true;
      this.#last = word;
    }
  }

  #isRoutine(): boolean {
    return /^CREATE (OR REPLACE )?(FUNCTION|PROCEDURE)\b/.test(this.#words.join(" "));
  }

  #takeSpace(): boolean {
    const end = spaceEnd(this.data, this.at);
    if (this.#continues === 1 && this.data.subarray(this.at, end).includes(byte.newline))
      this.#continues = 2;
    this.at = end;
    return true;
  }

  #takeSign(code: number): boolean {
    if (code === byte.semicolon && this.#depth === 0 && this.#bodies === 0) return this.#endAll();
    this.begin();
    if (code === byte.open && this.#depth++ === 0 && this.#isValues) this.#values++;
    if (code === byte.close && this.#depth > 0) this.#depth--;
    this.at++;
    return true;
  }

  #enter(state: State, length: number): boolean {
    if (this.#word !== "") this.#endWord();
    this.begin();
    this.at += length;
    this.#state = state;
    return true;
  }

  #takeCommentSign(code: number): boolean {
    if (!this.has(2)) return false;
    const next = this.data[this.at + 1];
    if (code === byte.minus && next === byte.minus) {
      this.#state = "line-comment";
      return true;
    }
    if (code !== byte.slash || next !== byte.star) return this.#takeSign(code);
    this.at += 2;
    this.#comments = 1;
    this.#state = "comment";
    return true;
  }

  /** Comments nest. */
  #takeComment(): boolean {
    const { data } = this;
    for (; this.at < data.length; this.at++) {
      const code = data[this.at];
      if (code !== byte.slash && code !== byte.star) continue;
      if (!this.has(2)) return false;
      const next = data[this.at + 1];
      if (code === byte.slash ? next !== byte.star : next !== byte.slash) continue;
      this.#comments += code === byte.slash ? 1 : -1;
      this.at++;
      if (this.#comments > 0) continue;
      this.at++;
      this.#state = "text";
      return true;
    }
    return false;
  }

  /** A doubled quote is two strings side by side, which end where one would. */
  #takeUpTo(quote: number): boolean {
    const found = this.data.indexOf(quote, this.at);
    this.at = found === -1 ? this.data.length : found + 1;
    if (found !== -1) this.#state = "text";
    return found !== -1;
  }

  #takeEscaped(): boolean {
    const { data } = this;
    for (; this.at < data.length; this.at++) {
      const code = data[this.at];
      if (code !== byte.quote && code !== byte.backslash) continue;
      if (!this.has(2)) return false;
      if (code === byte.quote && data[this.at + 1] !== byte.quote) {
        this.at++;
        this.#continues = 1;
        this.#state = "text";
        return true;
      }
      this.at++;
    }
    // A backslash may have been the very last byte.
    this.at = Math.min(this.at, data.length);
    return false;
  }

  #takeTag(): boolean {
    const { data } = this;
    let end = this.at + 1;
    while (isWord(data[end]) && data[end] !== byte.dollar) end++;
    if (end === data.length && !this.isLast && end - this.at < tagLimit) return false;
    const first = data[this.at + 1] ?? 0;
    const isTag = data[end] === byte.dollar && !(first >= 0x30 && first <= 0x39);
    if (!isTag) return this.#takeSign(byte.dollar);
    this.#tag = data.toString("latin1", this.at, end + 1);
    return this.#enter("dollar", this.#tag.length);
  }

  #takeDollar(): boolean {
    const found = this.data.indexOf(this.#tag, this.at, "latin1");
    if (found === -1) {
      const kept = this.isLast ? 0 : this.#tag.length - 1;
      this.at = Math.max(this.at, this.data.length - kept);
      return false;
    }
    this.at = found + this.#tag.length;
    this.#state = "text";
    return true;
  }

  #takeBackslash(): boolean {
    if (!this.inStatement) return this.#takeMetaCommand();
    const place = this.place();
    this.events.push({ kind: "refusal", what: String.raw`\ inside a statement`, place });
    return this.#takeSign(byte.backslash);
  }

  #takeMetaCommand(): boolean {
    const place = this.place();
    const line = this.takeLine();
    if (line === undefined) return false;
    if (line === String.raw`\.`) this.fail("the end of a COPY stands where no COPY is", { place });
    else this.events.push(...parseMetaCommand(line, place));
    return true;
  }

  #endAll(): boolean {
    const ended = this.inStatement ? this.end() : undefined;
    this.at++;
    if (ended !== undefined) this.#emit(ended);
    this.#words = [];
    this.#last = "";
    this.#values = 0;
    this.#isValues = this.#isCopy = false;
    return true;
  }

  #emit(ended: { sql: Buffer; place: Place }): void {
    const { sql, place } = ended;
    if (this.#isCopy) {
      this.events.push({ kind: "copy", sql, place });
      this.#state = "copy";
      this.#rows.begin();
      return;
    }
    this.events.push({ kind: "statement", sql, place, values: this.#values });
    if (this.#words[0] === "COPY")
      this.events.push({ kind: "refusal", what: "COPY from or to a file or program", place });
    const isSetting = this.#words[0] === "SET" || this.#words[0] === "SELECT";
    const encoding = isSetting ? this.#rules.follow(sql) : undefined;
    if (encoding !== undefined)
      this.events.push({ kind: "refusal", what: `text in the encoding ${encoding}`, place });
  }

  /** The rest of the line of the COPY itself holds no rows. */
  #takeRows(): boolean {
    const { data, isLast } = this;
    const taken = this.#rows.take(data.subarray(this.at), isLast);
    const { bytes, rows } = taken;
    this.at += taken.skipped;
    const place = this.place();
    this.at += bytes.length;
    if (bytes.length > 0) this.events.push({ kind: "rows", bytes, rows, place });
    if (!taken.hasEnded) return false;
    this.events.push({ kind: "copy-end", place: this.place() });
    this.at += taken.mark;
    this.#state = "text";
    return true;
  }
}
