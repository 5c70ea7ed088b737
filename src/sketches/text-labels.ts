/**
 * Short ASCII texts by the index of an entry, each as the bytes that are written of it: its length, then its characters. Most values of a
 * dictionary are written or merged and never read as text, and a string for each costs more than all else that is done with it.
 */
import type { ByteReader, ByteWriter } from "./bytes.ts";

/** Lengths of one byte. */
const MOST_BYTES = 127;
const FIRST_BYTES = 256;
const FIRST_ENTRIES = 8;
const NO_BYTES = new Uint8Array(0);
const NO_PLACES = new Int32Array(0);

/** Texts of values, as bytes. */
export interface TextSource {
  readonly textBytes: Uint8Array;
  /** Where in `textBytes` the text of a value begins; then `textLength` is its length. */
  findText(index: number): number;
  readonly textLength: number;
}

export class TextLabels {
  #bytes: Uint8Array = NO_BYTES;
  /** The same bytes; made when a text is first asked for. */
  #decoder: Buffer | undefined;
  #length = 0;
  /** By entry, where its text is, + 1; 0: there is none. */
  #places: Int32Array = NO_PLACES;

  /** Takes a text for an entry that has none; false: it is none of these texts. */
  take(entry: number, bytes: Uint8Array, start: number, length: number): boolean {
    if (length > MOST_BYTES) return false;
    const at = this.#reserve(entry, length);
    const own = this.#bytes;
    let all = 0;
    for (let i = 0; i < length; i++) {
      const byte = bytes[start + i]!;
      own[at + 1 + i] = byte;
      all |= byte;
    }
    if (all >= 0x80) return false;
    this.#keep(entry, at, length);
    return true;
  }

  /** Takes what another one has for an entry; false: nothing. */
  takeFrom(entry: number, other: TextLabels, from: number): boolean {
    const place = other.#placeOf(from);
    return place >= 0 && this.take(entry, other.#bytes, place + 1, other.#bytes[place]!);
  }

  /** As `take()`, of the next `length` bytes, which stay there where it says false. */
  read(entry: number, r: ByteReader, length: number): boolean {
    if (length > MOST_BYTES) return false;
    const at = this.#reserve(entry, length);
    if (!r.ascii(length, this.#bytes, at + 1)) return false;
    this.#keep(entry, at, length);
    return true;
  }

  has(entry: number): boolean {
    return this.#placeOf(entry) >= 0;
  }

  /** As `ByteWriter.string()`, of an entry that has a text. */
  write(entry: number, w: ByteWriter): void {
    const place = this.#placeOf(entry);
    w.range(this.#bytes, place, place + 1 + this.#bytes[place]!);
  }

  textOf(entry: number): string | undefined {
    const place = this.#placeOf(entry);
    if (place < 0) return undefined;
    const { buffer } = this.#bytes;
    if (this.#decoder?.buffer !== buffer) this.#decoder = Buffer.from(buffer);
    return this.#decoder.toString("latin1", place + 1, place + 1 + this.#bytes[place]!);
  }

  /** Keeps the texts of the first `size` entries in `kept`, ascending, which become 0, 1 and so on; each was taken before those of later entries. */
  retain(kept: Int32Array, size: number): void {
    const bytes = this.#bytes;
    const places = this.#places;
    let length = 0;
    for (let entry = 0; entry < size; entry++) {
      const place = this.#placeOf(kept[entry]!);
      if (place < 0) {
        if (entry < places.length) places[entry] = 0;
        continue;
      }
      const end = place + 1 + bytes[place]!;
      bytes.copyWithin(length, place, end);
      places[entry] = length + 1;
      length += end - place;
    }
    places.fill(0, size);
    this.#length = length;
  }

  /** As new; keeps its arrays for what comes. */
  clear(): void {
    this.#length = 0;
    this.#places.fill(0);
  }

  #placeOf(entry: number): number {
    return entry < this.#places.length ? this.#places[entry]! - 1 : -1;
  }

  /** Makes room for one more, and says where. */
  #reserve(entry: number, length: number): number {
    const end = this.#length + 1 + length;
    if (end > this.#bytes.length) {
      const bytes = new Uint8Array(Math.max(end, FIRST_BYTES, 2 * this.#bytes.length));
      bytes.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = bytes;
    }
    if (entry >= this.#places.length) {
      const places = new Int32Array(Math.max(entry + 1, FIRST_ENTRIES, 2 * this.#places.length));
      places.set(this.#places);
      this.#places = places;
    }
    return this.#length;
  }

  #keep(entry: number, at: number, length: number): void {
    this.#bytes[at] = length;
    this.#places[entry] = at + 1;
    this.#length = at + 1 + length;
  }
}
