/**
 * The one memory in which everything of a batch lies: columns, arena and program, so that WebAssembly can work on it in
 * place. Where there is no WebAssembly it is a plain buffer. Nothing is given back: a heap ends as a whole.
 */
import type { KernelRoom } from "../core/column-batch.ts";
import { createMemory, PAGE_BYTES, type WasmMemory } from "../core/wasm-host.ts";

/** What is taken begins at multiples of it: vectors are then aligned. */
const ALIGNMENT = 16;
/** Kernels read up to so many bytes behind a value, and mask them out. */
const SLACK_BYTES = 16;

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

  /** Address of `bytes` bytes of zeros that nobody else has. */
  take(bytes: number): number {
    const address = this.scratch(bytes);
    this.#used = Math.ceil((address + bytes) / ALIGNMENT) * ALIGNMENT;
    return address;
  }

  /** Address of `bytes` bytes that are the caller's until anybody takes anything. */
  scratch(bytes: number): number {
    const needed = this.#used + bytes + SLACK_BYTES;
    if (needed > this.bytes.length) this.#grow(Math.max(needed, 1.5 * this.bytes.length));
    return this.#used;
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
