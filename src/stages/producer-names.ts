/**
 * Who produced a record, by the value of one of its headers, as small numbers that hold until the next flush. Most records have the
 * header of the one before, so that its text is made once for many.
 */
import type { LogRecord } from "../core/log.ts";
import { printable, textOf } from "../core/text.ts";
import { NO_ORIGIN, OTHER_ORIGIN } from "../profiles/origins.ts";

/** Producers of one flush; a delta tells fewer apart. */
const NAMES_MAX = 64;
/** What is longer is no name. */
const NAME_BYTES_MAX = 100;
const OTHER = 0;

export class ProducerNames {
  readonly #header: string;
  readonly #names: string[] = [OTHER_ORIGIN];
  readonly #indexes = new Map<string, number>();
  #last: Uint8Array | undefined;
  #lastIndex = OTHER;

  constructor(header: string) {
    this.#header = header;
  }

  /** By index. */
  get names(): readonly string[] {
    return this.#names;
  }

  nameOf(record: LogRecord): string {
    return this.#names[this.indexOf(record)]!;
  }

  indexOf({ headers }: LogRecord): number {
    let bytes: Uint8Array = NOTHING;
    // As Kafka's own clients take it: of several the last.
    for (const { key, value } of headers) if (key === this.#header) bytes = value;
    if (this.#last !== undefined && isSame(bytes, this.#last)) return this.#lastIndex;
    this.#last = bytes;
    this.#lastIndex = this.#admit(nameOf(bytes));
    return this.#lastIndex;
  }

  clear(): void {
    this.#names.length = 1;
    this.#indexes.clear();
    this.#last = undefined;
  }

  #admit(name: string): number {
    const known = this.#indexes.get(name);
    if (known !== undefined) return known;
    if (this.#names.length > NAMES_MAX) return OTHER;
    const index = this.#names.push(name) - 1;
    this.#indexes.set(name, index);
    return index;
  }
}

const NOTHING = new Uint8Array(0);

function nameOf(bytes: Uint8Array): string {
  if (bytes.length === 0) return NO_ORIGIN;
  const cut = bytes.length > NAME_BYTES_MAX;
  return printable(textOf(cut ? bytes.subarray(0, NAME_BYTES_MAX) : bytes)) + (cut ? "…" : "");
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
