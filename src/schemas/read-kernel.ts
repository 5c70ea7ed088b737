/** The reader of `wasm/read.ts`, bound to the memory of one batch. */
import { compileModule, instanceOf } from "../core/wasm-host.ts";
import { type AvroProgram, STACK_WORDS } from "./avro-interpreter.ts";
import type { BatchHeap } from "./batch-heap.ts";
import { READ_WASM_BASE64 } from "./read-wasm-module.ts";

export interface ReadKernel {
  /**
   * Reads the event in `[from, to)` of the arena, which lies at this address, into a row. Returns where in the arena the text
   * that was written behind the event ends, or -1: the event is one for `AvroInterpreter`, and columns may hold a part of it.
   */
  run(arena: number, from: number, to: number, row: number): number;
}

/** `tableAt`: address of the column table. `undefined` where the heap is a plain buffer. */
export function createReadKernel(
  { code, symbolStarts, symbolLengths }: AvroProgram,
  tableAt: number,
  heap: BatchHeap,
): ReadKernel | undefined {
  if (heap.memory === undefined || MODULE === undefined) return undefined;
  const kernels = instanceOf<ReadKernel & Placing>(MODULE, heap.memory);
  const [program, starts, lengths] = [code, symbolStarts, symbolLengths].map((words) => placed(words, heap));
  kernels.place(program!, tableAt, starts!, lengths!, heap.take(STACK_WORDS * 4));
  return kernels;
}

function placed(words: Int32Array, heap: BatchHeap): number {
  const address = heap.take(words.byteLength);
  heap.words.set(words, address / 4);
  return address;
}

interface Placing {
  /** Addresses of what `run()` reads, and of its stack. */
  place(program: number, table: number, symbolStarts: number, symbolLengths: number, stack: number): void;
}

const MODULE = compileModule(READ_WASM_BASE64);
