/**
 * Splits CSV bytes (RFC 4180) into rows and cells without making text of them. A row ends with LF or CRLF; a cell that
 * begins with a quote ends with a quote, `""` inside it is one. What RFC 4180 forbids (a quote inside a plain cell,
 * something behind a closing quote) is an error, because what follows could be read in two ways.
 */
const [COMMA, QUOTE, LF, CR] = [0x2c, 0x22, 0x0a, 0x0d];
const MAX_COLUMNS = 10_000;

/** Bytes that are not CSV; `position` is where. */
export class CsvSyntaxError extends Error {
  readonly position: number;

  constructor(position: number, what: string) {
    super(what);
    this.name = "CsvSyntaxError";
    this.position = position;
  }
}

export class CsvScanner {
  /** Cells of the last row, quotes taken off: cell i is `bytes[starts[i], ends[i])`. */
  starts = new Int32Array(64);
  ends = new Int32Array(64);
  count = 0;
  /** Line breaks in the last row, its end included. */
  lineBreaks = 0;
  #doubled = false;

  /**
   * Reads the row at `from`: position behind it, or -1 when it does not end before `to`. `last`: nothing follows `to`.
   * Doubled quotes are joined in `bytes` itself, once the row is known to be whole.
   * @throws {CsvSyntaxError}
   */
  row(bytes: Uint8Array, from: number, to: number, last: boolean): number {
    this.count = 0;
    this.lineBreaks = 0;
    let doubled = false;
    let position = from;
    for (;;) {
      if (this.count === this.starts.length) this.#grow(position);
      const start = position;
      if (bytes[start] === QUOTE && start < to) {
        position = this.#quoteEnd(bytes, start + 1, to);
        if (position < 0) {
          if (last) throw new CsvSyntaxError(start, "a quote is never closed");
          return -1;
        }
        const end = position++;
        if (this.#doubled) {
          doubled = true;
          // Marked by its sign until the row is whole: scanning it again must find the bytes as they were.
          this.starts[this.count] = -(start + 1);
        } else this.starts[this.count] = start + 1;
        this.ends[this.count++] = end;
        if (position + 1 < to && bytes[position] === CR && bytes[position + 1] === LF) position++;
        if (position < to && bytes[position] !== COMMA && bytes[position] !== LF) {
          if (position + 1 === to && bytes[position] === CR && !last) return -1;
          throw new CsvSyntaxError(position, "something follows a closing quote");
        }
      } else {
        while (position < to) {
          const byte = bytes[position]!;
          if (byte === COMMA || byte === LF) break;
          if (byte === QUOTE) throw new CsvSyntaxError(position, "a quote stands inside a cell that began without one");
          position++;
        }
        const crlf = position < to && bytes[position] === LF && position > start && bytes[position - 1] === CR;
        this.starts[this.count] = start;
        this.ends[this.count++] = crlf ? position - 1 : position;
      }
      if (position >= to) {
        if (!last) return -1;
        if (doubled) this.#join(bytes);
        return to;
      }
      if (bytes[position++] === LF) {
        this.lineBreaks++;
        if (doubled) this.#join(bytes);
        return position;
      }
    }
  }

  /** Position of the closing quote, or -1; notes doubled quotes and line breaks on the way. */
  #quoteEnd(bytes: Uint8Array, from: number, to: number): number {
    this.#doubled = false;
    for (let position = from; position < to; position++) {
      const byte = bytes[position];
      if (byte === LF) this.lineBreaks++;
      if (byte !== QUOTE) continue;
      if (position + 1 < to && bytes[position + 1] === QUOTE) {
        this.#doubled = true;
        position++;
      } else return position;
    }
    return -1;
  }

  #join(bytes: Uint8Array): void {
    for (let cell = 0; cell < this.count; cell++) {
      if (this.starts[cell]! >= 0) continue;
      const start = -this.starts[cell]!;
      let target = start;
      for (let source = start; source < this.ends[cell]!; source++) {
        bytes[target++] = bytes[source]!;
        if (bytes[source] === QUOTE) source++;
      }
      this.starts[cell] = start;
      this.ends[cell] = target;
    }
  }

  #grow(position: number): void {
    if (this.count >= MAX_COLUMNS) throw new CsvSyntaxError(position, `a row has more than ${MAX_COLUMNS} cells`);
    const size = Math.min(MAX_COLUMNS, this.count * 2);
    const grow = (old: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> => {
      const grown = new Int32Array(size);
      grown.set(old);
      return grown;
    };
    this.starts = grow(this.starts);
    this.ends = grow(this.ends);
  }
}
