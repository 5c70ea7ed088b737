import type { ByteReader, ByteWriter } from "../sketches/bytes.ts";

/** Labels of the values of a window, in the order of these: as UTF-8 they take less memory than strings. */
export class LabelList {
  readonly #text: Buffer;
  /** Where each ends in the text; of one that has none, -1 less where it would. */
  readonly #ends: Int32Array;

  private constructor(text: Buffer, ends: Int32Array) {
    this.#text = text;
    this.#ends = ends;
  }

  static of(labels: readonly (string | undefined)[]): LabelList {
    const ends = new Int32Array(labels.length);
    const text = bufferOf(labels.reduce((bytes, label) => bytes + Buffer.byteLength(label ?? ""), 0));
    let end = 0;
    for (const [i, label] of labels.entries()) {
      if (label !== undefined) end += text.write(label, end);
      ends[i] = label === undefined ? -1 - end : end;
    }
    return new LabelList(text, ends);
  }

  at(index: number): string | undefined {
    const end = this.#ends[index]!;
    return end < 0 ? undefined : this.#text.toString("utf8", this.#startOf(index), end);
  }

  /** For each u8 0, or 1 and the label. */
  write(writer: ByteWriter): void {
    for (const [i, end] of this.#ends.entries()) {
      writer.u8(end < 0 ? 0 : 1);
      if (end >= 0) writer.bytes(this.#text.subarray(this.#startOf(i), end));
    }
  }

  /** @throws {StreamgaugeError} `SG_CORRUPT` */
  static read(reader: ByteReader, count: number): LabelList {
    const ends = new Int32Array(count);
    const parts: Uint8Array[] = [];
    let end = 0;
    for (let i = 0; i < count; i++) {
      if (reader.u8() === 0) {
        ends[i] = -1 - end;
        continue;
      }
      const part = reader.raw(reader.count(1));
      parts.push(part);
      end += part.length;
      ends[i] = end;
    }
    const text = bufferOf(end);
    let at = 0;
    for (const part of parts) {
      text.set(part, at);
      at += part.length;
    }
    return new LabelList(text, ends);
  }

  #startOf(index: number): number {
    if (index === 0) return 0;
    const before = this.#ends[index - 1]!;
    return before < 0 ? -1 - before : before;
  }
}

/** Of its own memory: the pool of Node would be held by what is kept for hours. */
function bufferOf(bytes: number): Buffer {
  return Buffer.from(new ArrayBuffer(bytes));
}
