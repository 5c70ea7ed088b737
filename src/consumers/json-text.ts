/**
 * JSON text → values with whole numbers exact: a number without point and exponent beyond ±(2^53 − 1) becomes a
 * bigint. `JSON.parse` rounds such numbers, and identifiers are often that long; it serves for all other texts.
 * Objects have no prototype where this parser made them, so `__proto__` is a name like any other; so it is for
 * `JSON.parse`.
 */
const MAX_DEPTH = 512;
/** Sixteen digits in a row: without them no whole number is beyond 2^53 − 1. */
const LONG_DIGITS = /[0-9]{16}/;

/** @throws {SyntaxError} */
export function parseJson(text: string): unknown {
  return LONG_DIGITS.test(text) ? new ExactParser(text).parse() : JSON.parse(text);
}

const NUMBER = /-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/y;
const STRING = /"(?:[^"\\]|\\.)*"/sy;
const BLANK = /[ \t\r\n]*/y;

class ExactParser {
  readonly #text: string;
  #position = 0;

  constructor(text: string) {
    this.#text = text;
  }

  parse(): unknown {
    const value = this.#value(0);
    if (this.#next() !== undefined) this.#fail();
    return value;
  }

  #value(depth: number): unknown {
    if (depth > MAX_DEPTH) throw new SyntaxError(`JSON is nested deeper than ${MAX_DEPTH} levels`);
    switch (this.#next()) {
      case "{":
        return this.#object(depth);
      case "[":
        return this.#array(depth);
      case '"':
        return this.#string();
      case "t":
        return this.#word("true", true);
      case "f":
        return this.#word("false", false);
      case "n":
        return this.#word("null", null);
      default:
        return this.#number();
    }
  }

  #object(depth: number): unknown {
    const object: Record<string, unknown> = Object.create(null);
    this.#position++;
    if (this.#next() === "}") {
      this.#position++;
      return object;
    }
    for (;;) {
      if (this.#next() !== '"') this.#fail();
      const key = this.#string();
      this.#expect(":");
      object[key] = this.#value(depth + 1);
      if (this.#next() !== ",") break;
      this.#position++;
    }
    this.#expect("}");
    return object;
  }

  #array(depth: number): unknown {
    const array: unknown[] = [];
    this.#position++;
    if (this.#next() === "]") {
      this.#position++;
      return array;
    }
    for (;;) {
      array.push(this.#value(depth + 1));
      if (this.#next() !== ",") break;
      this.#position++;
    }
    this.#expect("]");
    return array;
  }

  #string(): string {
    // Escapes and control characters are judged by `JSON.parse`.
    return JSON.parse(this.#token(STRING)[0]) as string;
  }

  #number(): number | bigint {
    const token = this.#token(NUMBER);
    const value = Number(token[0]);
    const isWhole = token[1] === undefined && token[2] === undefined;
    return isWhole && !Number.isSafeInteger(value) ? BigInt(token[0]) : value;
  }

  #word<T>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#position)) this.#fail();
    this.#position += word.length;
    return value;
  }

  #token(pattern: RegExp): RegExpExecArray {
    pattern.lastIndex = this.#position;
    const match = pattern.exec(this.#text);
    if (match === null) return this.#fail();
    this.#position = pattern.lastIndex;
    return match;
  }

  /** The next character that is not blank; it is not consumed. */
  #next(): string | undefined {
    this.#token(BLANK);
    return this.#text[this.#position];
  }

  #expect(character: string): void {
    if (this.#next() !== character) this.#fail();
    this.#position++;
  }

  #fail(): never {
    throw new SyntaxError(`JSON is broken at character ${this.#position + 1}`);
  }
}
