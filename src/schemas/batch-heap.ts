/**
 * The one memory in which everything of a batch lies: columns, arena and program, so that WebAssembly can work on it in
 * place. Where there is no WebAssembly it is a plain buffer.
 *
 * There is one heap per batch. What was taken last may stretch; nothing else is given back, and a memory of WebAssembly never
 * shrinks: a heap ends as a whole, when its batch takes another one and the garbage collector finds it (`AvroBatch` says when).
 */
import type { KernelRoom } from "../core/column-batch.ts";
import { createMemory, MOST_PAGES, PAGE_BYTES, type WasmMemory } from "../core/wasm-host.ts";

/** What is taken begins at multiples of it: vectors are then aligned. */
const ALIGNMENT = 16;
/** Kernels read up to so many bytes behind a value, and mask them out. */
const SLACK_BYTES = 16;
const GROWTH = 1.5;

export class BatchHeap {
  /** Absent: a plain buffer. */
  readonly memory: WasmMemory | undefined;
  /** For the kernels of others, where there is a memory. */
  readonly room: KernelRoom | undefined;
  /** Views of all of it. */
  bytes: Uint8Array<ArrayBuffer>;
  words: Int32Array<ArrayBuffer>;
  doubles: Float64Array<ArrayBuffer>;
  readonly #listeners: (() => void)[] = [];
  #used = 0;

  /** `bytes`: first size · `isPlain`: without WebAssembly in any case. */
  constructor(bytes: number, isPlain: boolean) {
    this.memory = isPlain ? undefined : createMemory(bytes);
    this.room = this.memory && { memory: this.memory, scratch: (size) => this.scratch(size) };
    const buffer = this.memory?.buffer ?? new ArrayBuffer(Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES);
    this.bytes = new Uint8Array(buffer);
    this.words = new Int32Array(buffer);
    this.doubles = new Float64Array(buffer);
  }

  /** `listener` is called when all views of before are void. */
  onMove(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Address of `bytes` bytes that nobody else has: zeros, unless somebody scratched there. */
  take(bytes: number): number {
    return this.#occupy(this.#used, bytes);
  }

  /**
   * As `take()`, for one who has `before` bytes at `address`: the same address where these were taken last, else another one,
   * and those are lost. Moves nothing there.
   */
  retake(address: number, before: number, bytes: number): number {
    return this.#occupy(aligned(address + before) === this.#used ? address : this.#used, bytes);
  }

  /** Address of `bytes` bytes that are the caller's until anybody takes anything. */
  scratch(bytes: number): number {
    this.#reach(this.#used + bytes);
    return this.#used;
  }

  #occupy(address: number, bytes: number): number {
    this.#reach(address + bytes);
    this.#used = aligned(address + bytes);
    return address;
  }

  /** Makes the heap reach up to `end`. */
  #reach(end: number): void {
    const needed = end + SLACK_BYTES;
    if (needed <= this.bytes.length) return;
    this.#grow(Math.max(needed, Math.min(GROWTH * this.bytes.length, MOST_PAGES * PAGE_BYTES)));
  }

  #grow(bytes: number): void {
    const { memory } = this;
    const pages = Math.ceil(bytes / PAGE_BYTES);
    let buffer: ArrayBuffer;
    if (memory === undefined) {
      buffer = new ArrayBuffer(pages * PAGE_BYTES);
      new Uint8Array(buffer).set(this.bytes);
    } else {
      memory.grow(pages - this.bytes.length / PAGE_BYTES);
      buffer = memory.buffer;
    }
    this.bytes = new Uint8Array(buffer);
    this.words = new Int32Array(buffer);
    this.doubles = new Float64Array(buffer);
    for (const listener of this.#listeners) listener();
  }
}

function aligned(address: number): number {
  return Math.ceil(address / ALIGNMENT) * ALIGNMENT;
}
