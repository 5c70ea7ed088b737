/**
 * Bytes of many entries that come and go, in pages of a few large buffers. As buffers of their own, of all sizes up to megabytes, they
 * leave holes in the process's heap that are as large again as half of them, and what is let go is there until the garbage
 * collector comes; a page is free at once, and every page fits.
 *
 * An entry is the list of its pages. New pages are taken from the first buffer that has some, so that those at the end run empty and go.
 */
const PAGE_BYTES = 4096;
const BUFFER_PAGES = 256;

/** Says where bytes are; of no meaning elsewhere. */
export interface StoredBytes {
  readonly length: number;
  readonly firstPage: number;
}

export class BytePages {
  readonly #buffers: (PageBuffer | undefined)[] = [];
  /** All buffers before it are full. */
  #firstWithRoom = 0;
  #scratch = new Uint8Array(PAGE_BYTES);

  /** Bytes of the buffers. */
  get heldBytes(): number {
    return this.#buffers.reduce((sum, buffer) => sum + (buffer === undefined ? 0 : PAGE_BYTES * BUFFER_PAGES), 0);
  }

  /** Copies the bytes. */
  put(bytes: Uint8Array): StoredBytes {
    const firstPage = this.#takePage();
    let page = firstPage;
    for (let from = 0; ; ) {
      const { bytes: target, nextPages } = this.#bufferOf(page);
      const at = page % BUFFER_PAGES;
      target.set(bytes.subarray(from, from + PAGE_BYTES), at * PAGE_BYTES);
      from += PAGE_BYTES;
      if (from >= bytes.length) break;
      const next = this.#takePage();
      nextPages[at] = next;
      page = next;
    }
    return { length: bytes.length, firstPage };
  }

  /** A copy, valid until the next call. */
  read({ length, firstPage }: StoredBytes): Uint8Array {
    if (this.#scratch.length < length) this.#scratch = new Uint8Array(Math.max(length, 2 * this.#scratch.length));
    const scratch = this.#scratch;
    let page = firstPage;
    for (let from = 0; from < length; from += PAGE_BYTES) {
      const { bytes, nextPages } = this.#bufferOf(page);
      const at = page % BUFFER_PAGES;
      const start = at * PAGE_BYTES;
      scratch.set(bytes.subarray(start, start + Math.min(PAGE_BYTES, length - from)), from);
      page = nextPages[at]!;
    }
    return scratch.subarray(0, length);
  }

  /** Lets go of the bytes, which must not be asked for again. */
  free({ length, firstPage }: StoredBytes): void {
    let page = firstPage;
    for (let left = Math.max(1, Math.ceil(length / PAGE_BYTES)); left > 0; left--) {
      const index = Math.floor(page / BUFFER_PAGES);
      const buffer = this.#bufferOf(page);
      const at = page % BUFFER_PAGES;
      page = buffer.nextPages[at]!;
      buffer.freePages[buffer.freeCount++] = at;
      if (index < this.#firstWithRoom) this.#firstWithRoom = index;
      if (buffer.freeCount === BUFFER_PAGES) this.#buffers[index] = undefined;
    }
  }

  #takePage(): number {
    let index = this.#firstWithRoom;
    while (this.#buffers[index]?.freeCount === 0) index++;
    this.#firstWithRoom = index;
    const buffer = this.#buffers[index] ?? newBuffer();
    this.#buffers[index] = buffer;
    return index * BUFFER_PAGES + buffer.freePages[--buffer.freeCount]!;
  }

  #bufferOf(page: number): PageBuffer {
    const buffer = this.#buffers[Math.floor(page / BUFFER_PAGES)];
    if (buffer === undefined) throw new Error(`Cannot use page ${page}: it is free`);
    return buffer;
  }
}

interface PageBuffer {
  readonly bytes: Uint8Array;
  /** Behind each page of an entry, but for the last. */
  readonly nextPages: Int32Array;
  readonly freePages: Uint8Array;
  freeCount: number;
}

function newBuffer(): PageBuffer {
  return {
    bytes: new Uint8Array(PAGE_BYTES * BUFFER_PAGES),
    nextPages: new Int32Array(BUFFER_PAGES),
    // The lowest is taken first.
    freePages: Uint8Array.from({ length: BUFFER_PAGES }, (_, i) => BUFFER_PAGES - 1 - i),
    freeCount: BUFFER_PAGES,
  };
}
