/** How much memory a batch has, and when it lets go of it: memories of WebAssembly never shrink. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, test } from "vitest";
import { AvroBinaryWriter } from "../../src/core/avro-binary.ts";
import type { AvroBatch } from "../../src/schemas/avro-batch.ts";
import { createAvroReader } from "../../src/schemas/avro-reader.ts";
import { BatchHeap } from "../../src/schemas/batch-heap.ts";

const MB = 1_000_000;
const ROWS = 1024;

function heapBytes(batch: AvroBatch): number {
  return batch.arena.buffer.byteLength;
}

function textEvent(bytes: number): Uint8Array {
  const writer = new AvroBinaryWriter(bytes + 10);
  writer.string("x".repeat(bytes));
  return writer.finish();
}

function readInto(batch: AvroBatch, reader: ReturnType<typeof createAvroReader>, event: Uint8Array): void {
  expect(reader.read(batch, event, 0, event.length)).toBe("ok");
}

describe.each([
  ["WebAssembly's memory", false],
  ["a plain buffer", true],
])("a batch in %s", (_, isPlain) => {
  test("grows by no more than a few times what events hold, and is full then", () => {
    const reader = createAvroReader('"string"');
    const batch = reader.createBatch(ROWS, { isPlain });
    const first = heapBytes(batch);
    const event = textEvent(10 * MB);
    let events = 0;
    for (; !batch.isFull; events++) readInto(batch, reader, event);
    expect(events).toBe(2);
    expect(heapBytes(batch)).toBeLessThan(first + 2 * events * event.length);
    batch.reset();
    expect([heapBytes(batch), batch.isFull]).toEqual([first, false]);
  });

  test("keeps what usual events need", () => {
    const reader = createAvroReader('"string"');
    const batch = reader.createBatch(ROWS, { isPlain });
    const event = textEvent(8_000);
    for (let row = 0; row < ROWS; row++) {
      expect(batch.isFull).toBe(false);
      readInto(batch, reader, event);
    }
    const grown = heapBytes(batch);
    const { arena } = batch;
    batch.reset();
    expect(heapBytes(batch)).toBe(grown);
    expect(batch.arena).toBe(arena);
  });

  test("takes less than 16 MB for one event of 65,000 longs", () => {
    const reader = createAvroReader('{"type":"array","items":"long"}');
    const batch = reader.createBatch(ROWS, { isPlain });
    const first = heapBytes(batch);
    const writer = new AvroBinaryWriter(600_000);
    writer.long(65_000);
    for (let item = 0; item < 65_000; item++) writer.long(2 ** 40 + item);
    writer.long(0);
    readInto(batch, reader, writer.finish());
    // 20 bytes for each; room doubles, and the heap grows by half.
    expect(heapBytes(batch) - first).toBeLessThan(2 * 20 * 65_536 * 1.6);
  });
});

test("a heap that was let go is collected", async () => {
  const reader = createAvroReader('"string"');
  const batch = reader.createBatch(ROWS);
  const event = textEvent(10 * MB);
  const memories: WeakRef<object>[] = [];
  for (let round = 0; round < 5; round++) {
    while (!batch.isFull) readInto(batch, reader, event);
    memories.push(new WeakRef(batch.room!.memory));
    batch.reset();
  }
  // What a WeakRef was made for lives until the end of the turn.
  await new Promise((resolve) => setImmediate(resolve));
  setFlagsFromString("--expose-gc");
  runInNewContext("gc")();
  expect(memories.filter((memory) => memory.deref() !== undefined)).toEqual([]);
});

describe.each([
  ["WebAssembly's memory", false],
  ["a plain buffer", true],
])("BatchHeap in %s", (_, isPlain) => {
  test("retake() stretches what was taken last, and nothing else", () => {
    const heap = new BatchHeap(100, isPlain);
    const first = heap.take(20);
    const second = heap.take(40);
    expect([first, second]).toEqual([0, 32]);
    expect(heap.retake(second, 40, 100)).toBe(second);
    const third = heap.take(8);
    expect(third).toBe(144);
    expect(heap.retake(second, 100, 200)).toBe(160);
    expect(heap.take(1)).toBe(368);
  });

  test("keeps what it holds when it grows, and tells its listeners", () => {
    const heap = new BatchHeap(100, isPlain);
    const at = heap.take(8);
    heap.words[at / 4] = 7;
    let moves = 0;
    heap.onMove(() => moves++);
    expect(heap.scratch(300_000)).toBe(16);
    expect([moves, heap.words[at / 4]]).toEqual([1, 7]);
    expect(heap.bytes.length).toBeGreaterThanOrEqual(300_016);
    // Nobody has it, so the next one does.
    expect(heap.take(8)).toBe(16);
  });

  test("is as it was after what cannot be had", () => {
    const heap = new BatchHeap(100, isPlain);
    const at = heap.take(8);
    expect(() => heap.take(2 ** 40)).toThrow(RangeError);
    expect(() => heap.retake(at, 8, 2 ** 40)).toThrow(RangeError);
    expect(heap.take(8)).toBe(16);
  });
});
