/**
 * A file read through a moving window, plain or gzip. Memory is the window: what the caller has not consumed yet,
 * and one chunk more. Concatenated gzip members are one stream, as `gunzip` reads them.
 */
import { createReadStream } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { pipeline } from "node:stream";
import { createGunzip } from "node:zlib";
import { inputError, reasonOf } from "./input-error.ts";

/** One read: large enough that the asynchronous call does not show, small beside the rows' limit. */
const CHUNK_BYTES = 1 << 20;
/** The window grows from here, so that a small file costs little. */
const FIRST_BYTES = 1 << 14;
/** Deflate reaches 1032 : 1. Real logs stay below 100 : 1, so what is beyond both figures is a bomb. */
const BOMB_RATIO = 250;
const BOMB_BYTES = 2 ** 30;

export class ByteWindow {
  readonly path: string;
  /**
   * The unread bytes are `bytes[start, end)`; the reader moves `start`. `more` writes to the same memory again, and
   * `slice` of a Buffer is a view: copy what is to be kept with `new Uint8Array`.
   */
  bytes: Buffer = Buffer.alloc(FIRST_BYTES);
  start = 0;
  end = 0;
  readonly #source: ByteSource;
  /** Position in the (decompressed) file of `bytes[0]`. */
  #base = 0;

  static async open(path: string, gzip: boolean): Promise<ByteWindow> {
    return new ByteWindow(path, gzip ? await GzipSource.open(path) : await PlainSource.open(path));
  }

  private constructor(path: string, source: ByteSource) {
    this.path = path;
    this.#source = source;
  }

  /** Position of `bytes[start]` in the (decompressed) file. */
  get position(): number {
    return this.#base + this.start;
  }

  /** Position behind the last byte read so far. */
  get endPosition(): number {
    return this.#base + this.end;
  }

  /** Adds bytes behind `end`; false at the end of the file. Positions inside `bytes` become invalid. */
  async more(): Promise<boolean> {
    const held = this.end - this.start;
    if (this.start > 0) {
      this.bytes.copyWithin(0, this.start, this.end);
      this.#base += this.start;
      this.start = 0;
      this.end = held;
    }
    const room = this.bytes.length - held;
    if (room < CHUNK_BYTES && (held > 0 || this.#base > 0)) {
      const grown = Buffer.alloc(this.bytes.length * 2);
      grown.set(this.bytes.subarray(0, held));
      this.bytes = grown;
    }
    const count = await this.#source.read(this.bytes, held);
    this.end += count;
    return count > 0;
  }

  /** Makes `count` bytes available from `start`; false when the file ends before. */
  async need(count: number): Promise<boolean> {
    while (this.end - this.start < count) {
      if (!(await this.more())) return false;
    }
    return true;
  }

  /** Moves `start` by `count` bytes without keeping them; false when the file ends before. */
  async skip(count: number): Promise<boolean> {
    const held = Math.min(count, this.end - this.start);
    this.start += held;
    let rest = count - held;
    if (rest === 0) return true;
    const jumped = await this.#source.skip(rest);
    this.#base += jumped;
    rest -= jumped;
    while (rest > 0) {
      if (this.start === this.end && !(await this.more())) return false;
      const step = Math.min(rest, this.end - this.start);
      this.start += step;
      rest -= step;
    }
    return true;
  }

  close(): Promise<void> {
    return this.#source.close();
  }
}

/** The first bytes as they lie on the disk: what the format is checked by. */
export async function firstBytes(path: string, count: number): Promise<Uint8Array> {
  const source = await PlainSource.open(path);
  try {
    const buffer = new Uint8Array(count);
    const length = await source.read(buffer, 0);
    return buffer.subarray(0, length);
  } finally {
    await source.close();
  }
}

interface ByteSource {
  /** Writes what comes next to `target` from `at` on, as much as there is room for or less; 0 at the end. */
  read(target: Uint8Array, at: number): Promise<number>;
  /** Jumps over up to `count` bytes and says over how many; never past the end. */
  skip(count: number): Promise<number>;
  close(): Promise<void>;
}

class PlainSource implements ByteSource {
  readonly #path: string;
  readonly #handle: FileHandle;
  readonly #size: number;
  #position = 0;

  static async open(path: string): Promise<PlainSource> {
    try {
      const handle = await open(path, "r");
      const stat = await handle.stat();
      if (stat.isFile()) return new PlainSource(path, handle, stat.size);
      await handle.close();
    } catch (error) {
      throw inputError(path, "", openReason(error), error);
    }
    throw inputError(path, "", "it is not a file");
  }

  private constructor(path: string, handle: FileHandle, size: number) {
    this.#path = path;
    this.#handle = handle;
    this.#size = size;
  }

  async read(target: Uint8Array, at: number): Promise<number> {
    try {
      const { bytesRead } = await this.#handle.read(target, at, target.length - at, this.#position);
      this.#position += bytesRead;
      return bytesRead;
    } catch (error) {
      throw inputError(this.#path, ` (at byte ${this.#position})`, reasonOf(error), error);
    }
  }

  async skip(count: number): Promise<number> {
    const step = Math.max(0, Math.min(count, this.#size - this.#position));
    this.#position += step;
    return step;
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

class GzipSource implements ByteSource {
  readonly #path: string;
  readonly #compressed: ReturnType<typeof createReadStream>;
  readonly #chunks: AsyncIterator<Uint8Array>;
  #chunk: Uint8Array = new Uint8Array(0);
  #bytesOut = 0;

  static async open(path: string): Promise<GzipSource> {
    const magic = await firstBytes(path, 2);
    if (magic[0] !== 0x1f || magic[1] !== 0x8b) throw inputError(path, "", "it is not gzip, which its name says");
    return new GzipSource(path);
  }

  private constructor(path: string) {
    this.#path = path;
    this.#compressed = createReadStream(path, { highWaterMark: CHUNK_BYTES >> 2 });
    const gunzip = createGunzip({ chunkSize: CHUNK_BYTES >> 2 });
    // The error also destroys `gunzip`, so the iterator below rejects with it.
    pipeline(this.#compressed, gunzip, () => {});
    this.#chunks = gunzip[Symbol.asyncIterator]();
  }

  async read(target: Uint8Array, at: number): Promise<number> {
    if (this.#chunk.length === 0) await this.#next();
    const part = this.#chunk.subarray(0, target.length - at);
    target.set(part, at);
    this.#chunk = this.#chunk.subarray(part.length);
    return part.length;
  }

  async skip(): Promise<number> {
    return 0;
  }

  async close(): Promise<void> {
    await this.#chunks.return?.();
  }

  async #next(): Promise<void> {
    try {
      const { value, done } = await this.#chunks.next();
      if (done === true) return;
      this.#chunk = value;
    } catch (error) {
      throw inputError(this.#path, ` (byte ${this.#bytesOut} of its content)`, `gzip: ${reasonOf(error)}`, error);
    }
    this.#bytesOut += this.#chunk.length;
    if (this.#bytesOut > BOMB_BYTES && this.#bytesOut > BOMB_RATIO * this.#compressed.bytesRead) {
      throw inputError(this.#path, "", `it unpacks to more than ${BOMB_RATIO} times its size`);
    }
  }
}

function openReason(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "ENOENT") return "there is no such file";
  if (code === "EACCES") return "no permission";
  return reasonOf(error);
}
