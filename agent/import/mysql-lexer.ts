import { clientCommands, parseDelimiter, sandboxLine } from "./mysql-client-commands.ts";
import { lineLimit, ScriptLexer } from "./script-lexer.ts";
import { SqlModeTracker } from "./sql-mode-tracker.ts";
import { byte, isSpace, isWord, spaceEnd, wordEnd } from "./sql-bytes.ts";

type State = "text" | "quoted" | "name" | "line-comment" | "comment" | "command";

const wordLimit = 32;
/** `/*M!100100 `: what decides is there within so many bytes. */
const markLength = 11;
/** Character sets in which a byte of a character can look like a backslash or a quote. */
const unsafeSets = /\b(sjis|cp932|gbk|big5|gb18030)\b/i;

/**
 * Cuts a script for MySQL or MariaDB into statements, as their manuals have it ("Comment Syntax",
 * "String Literals", "mysql Client Commands").
 */
export class MysqlLexer extends ScriptLexer {
  #state: State = "text";
  #word = "";
  #first = "";
  #quote: number = byte.quote;
  /** How deep in comments with a `!`, whose content is SQL. */
  #conditions = 0;
  #depth = 0;
  #values = 0;
  #isValues = false;
  #delimiter: Buffer = Buffer.from(";");
  #command = "";
  readonly #mode = new SqlModeTracker();

  protected override scan(): void {
    while (!this.isDead && this.#step());
  }

  protected override open(): string | undefined {
    return this.#state === "comment" ? "a comment has no end" : super.open();
  }

  #step(): boolean {
    switch (this.#state) {
      case "text":
        return this.#takeText();
      case "quoted":
        return this.#takeQuoted();
      case "name":
        return this.#takeName();
      case "line-comment":
        if (!this.takeLineComment()) return false;
        this.#state = "text";
        return true;
      case "comment":
        return this.#takeComment();
      case "command":
        return this.#takeCommand();
    }
  }

  #takeText(): boolean {
    const { data } = this;
    const code = data[this.at];
    if (code === undefined && !this.isLast) return false;
    if (code === this.#delimiter[0] && this.#conditions === 0) {
      if (!this.has(this.#delimiter.length)) return false;
      const end = this.at + this.#delimiter.length;
      if (this.#delimiter.equals(data.subarray(this.at, end))) return this.#endAll();
    }
    if (isWord(code)) return this.#takeWord();
    if (this.#word !== "") {
      this.#endWord();
      // It may have been a command, which is no part of any statement.
      return true;
    }
    if (code === undefined) return false;
    if (isSpace(code)) {
      this.at = spaceEnd(data, this.at);
      return true;
    }
    return this.#takeOther(code);
  }

  #takeOther(code: number): boolean {
    switch (code) {
      case byte.quote:
      case byte.double:
        this.#quote = code;
        return this.#enter(code === byte.double && this.#mode.hasAnsiQuotes ? "name" : "quoted");
      case byte.backtick:
        this.#quote = code;
        return this.#enter("name");
      case byte.hash:
        this.#state = "line-comment";
        return true;
      case byte.minus:
        return this.#takeMinus();
      case byte.slash:
        return this.#takeSlash();
      case byte.star:
        return this.#takeStar();
      case byte.backslash:
        return this.#takeBackslash();
      default:
        return this.#takeSign(code);
    }
  }

  /** A word ends where the delimiter begins, which may look like a part of it (`END$$`). */
  #takeWord(): boolean {
    this.begin();
    const from = this.at;
    let end = wordEnd(this.data, from);
    const [first = 0] = this.#delimiter;
    const found = isWord(first) ? this.data.indexOf(first, from + 1) : -1;
    if (found !== -1 && found < end) end = found;
    const room = wordLimit - this.#word.length;
    if (room > 0) this.#word += this.data.toString("latin1", from, Math.min(end, from + room));
    this.at = end;
    return true;
  }

  #endWord(): void {
    const word = this.#word.toUpperCase();
    this.#word = "";
    if (this.#first === "") {
      this.#first = word;
      const isCommand = word === "DELIMITER" || clientCommands.has(word);
      if (isCommand && this.#conditions === 0 && this.#depth === 0) {
        this.#command = word;
        this.#state = "command";
      }
    } else if (this.#depth === 0 && (word === "VALUES" || word === "VALUE")) this.#isValues = true;
  }

  /** The word is a client's; what follows on its line are its arguments. */
  #takeCommand(): boolean {
    const place = this.start;
    const line = this.takeLine();
    if (line === undefined) return false;
    this.forget();
    this.#reset();
    this.#state = "text";
    if (this.#command !== "DELIMITER") {
      const what = `the client command ${this.#command.toLowerCase()}${line.slice(0, 80)}`;
      this.events.push({ kind: "refusal", what, place });
      return true;
    }
    const delimiter = parseDelimiter(line);
    if (delimiter !== undefined) this.#delimiter = delimiter;
    else this.fail("a DELIMITER line names no delimiter that can be used", { place });
    return true;
  }

  #takeMinus(): boolean {
    if (!this.has(3)) return false;
    const third = this.data[this.at + 2];
    const isComment =
      this.data[this.at + 1] === byte.minus && (third === undefined || third <= 0x20);
    if (!isComment) return this.#takeSign(byte.minus);
    this.#state = "line-comment";
    return true;
  }

  #takeSlash(): boolean {
    if (!this.has(markLength)) return false;
    const head = this.data.toString("latin1", this.at, this.at + markLength);
    const mark = /^\/\*M?!(?:\d{5,6})?/.exec(head)?.[0];
    if (mark === undefined && !head.startsWith("/*")) return this.#takeSign(byte.slash);
    if (mark === undefined) {
      this.at += 2;
      this.#state = "comment";
      return true;
    }
    if (!this.inStatement && /^\/\*M?!999999\\/.test(head)) return this.#takeSandboxLine();
    this.begin();
    this.at += mark.length;
    this.#conditions++;
    return true;
  }

  #takeSandboxLine(): boolean {
    const place = this.place();
    const line = this.takeLine();
    if (line === undefined) return false;
    if (!sandboxLine.test(line))
      this.events.push({ kind: "refusal", what: `the client command ${line.slice(0, 80)}`, place });
    return true;
  }

  #takeStar(): boolean {
    if (!this.has(2)) return false;
    const isEnd = this.#conditions > 0 && this.data[this.at + 1] === byte.slash;
    if (!isEnd) return this.#takeSign(byte.star);
    this.at += 2;
    this.#conditions--;
    return true;
  }

  #takeComment(): boolean {
    const found = this.data.indexOf("*/", this.at, "latin1");
    if (found === -1) {
      this.at = Math.max(this.at, this.data.length - (this.isLast ? 0 : 1));
      return false;
    }
    this.at = found + 2;
    this.#state = "text";
    return true;
  }

  /** `\N` is NULL; any other backslash between tokens is a command for the client. */
  #takeBackslash(): boolean {
    if (!this.has(3)) return false;
    const isNull = this.data[this.at + 1] === 0x4e && !isWord(this.data[this.at + 2]);
    if (!isNull) {
      const command = this.data.toString("latin1", this.at, this.at + 2);
      const what = `the client command ${command}`;
      this.events.push({ kind: "refusal", what, place: this.place() });
    }
    this.begin();
    this.at += 2;
    return true;
  }

  #takeSign(code: number): boolean {
    this.begin();
    if (code === byte.open && this.#depth++ === 0 && this.#isValues) this.#values++;
    if (code === byte.close && this.#depth > 0) this.#depth--;
    this.at++;
    return true;
  }

  #enter(state: State): boolean {
    this.begin();
    this.at++;
    this.#state = state;
    return true;
  }

  /** A doubled quote is two strings side by side, which end where one would. */
  #takeQuoted(): boolean {
    if (!this.#mode.hasBackslashes) return this.#takeName();
    const { data } = this;
    for (; this.at < data.length; this.at++) {
      const code = data[this.at];
      if (code === this.#quote) {
        this.at++;
        this.#state = "text";
        return true;
      }
      if (code !== byte.backslash) continue;
      if (!this.has(2)) return false;
      this.at++;
    }
    // A backslash may have been the very last byte.
    this.at = Math.min(this.at, data.length);
    return false;
  }

  #takeName(): boolean {
    const found = this.data.indexOf(this.#quote, this.at);
    this.at = found === -1 ? this.data.length : found + 1;
    if (found !== -1) this.#state = "text";
    return found !== -1;
  }

  #endAll(): boolean {
    if (this.#word !== "") this.#endWord();
    // `DELIMITER ;` ends at its line, not at what is its argument.
    if (this.#state === "command") return true;
    const values = this.#values;
    const isSet = this.#first === "SET";
    this.#reset();
    const ended = this.inStatement ? this.end() : undefined;
    this.at += this.#delimiter.length;
    if (ended === undefined) return true;
    this.events.push({ kind: "statement", ...ended, values });
    if (isSet) this.#follow(ended.sql);
    return true;
  }

  #reset(): void {
    this.#first = "";
    this.#depth = 0;
    this.#values = 0;
    this.#isValues = false;
  }

  /** Settings that change how what follows is read. */
  #follow(sql: Buffer): void {
    if (sql.length > lineLimit) return;
    const text = sql.toString("latin1");
    this.#mode.follow(text);
    const set = /names|character_set_client/i.test(text) ? unsafeSets.exec(text) : null;
    if (set === null) return;
    const what = `text in the character set ${set[1]}`;
    this.events.push({ kind: "refusal", what, place: this.place() });
  }
}
