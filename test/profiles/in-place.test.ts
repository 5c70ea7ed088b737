/** Batches in a memory of WebAssembly are hashed and counted where they lie: with the same result as others. */
import { expect, test } from "vitest";
import { AvroBinaryWriter } from "../../src/core/avro-binary.ts";
import { SeededRandom } from "../../src/core/random.ts";
import { BatchProfiler } from "../../src/profiles/batch-profiler.ts";
import { Profile } from "../../src/profiles/profile.ts";
import { createAvroReader } from "../../src/schemas/avro-reader.ts";

const SCHEMA = {
  type: "record",
  name: "R",
  fields: [
    { name: "number", type: "double" },
    { name: "long", type: "long" },
    { name: "code", type: ["null", "string"] },
    { name: "id", type: "string" },
    { name: "items", type: { type: "array", items: "int" } },
  ],
};
const ROWS = 1000;
const BATCHES = 6;
const STRANGE = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0];
/** Behind the lowest byte of a varint. */
const NEAR_2_61 = [...Array(7).fill(0x80), 0x40];
/** Beyond the exact tier in `number`, `long` and `id`. */
const EVENTS = eventsOf(new SeededRandom(3));

function eventsOf(random: SeededRandom): readonly Uint8Array[] {
  return Array.from({ length: ROWS * BATCHES }, (_, index) => {
    const writer = new AvroBinaryWriter(256);
    // The first batches are clean.
    const isStrange = index > 2 * ROWS && random.below(100) === 0;
    writer.double(isStrange ? STRANGE[random.below(4)]! : random.below(20_000) / 4);
    if (index > 3 * ROWS && random.below(50) === 0) writer.raw(Uint8Array.of(128 + random.below(128), ...NEAR_2_61));
    else writer.long(random.below(10_000));
    const isNull = random.below(5) === 0;
    writer.long(isNull ? 0 : 1);
    if (!isNull) writer.string(`code ${random.below(30)} é`);
    writer.string(`${index}-${random.nextUint32()}`);
    const items = random.below(3);
    if (items > 0) writer.long(items);
    for (let i = 0; i < items; i++) writer.long(random.below(9));
    writer.long(0);
    return writer.finish();
  });
}

/** Bytes of the profile of all events, and of those of three slices. */
function profiles(isPlain: boolean): readonly string[] {
  const reader = createAvroReader(JSON.stringify(SCHEMA));
  const batch = reader.createBatch(ROWS, { isPlain });
  expect(batch.room === undefined).toBe(isPlain);
  const profiler = new BatchProfiler({ labels: { policyOf: () => "show", hashLabel: (text) => text } });
  const facts = {
    schemaId: 1,
    invalidReasons: new Uint8Array(ROWS),
    eventTimesMs: new Float64Array(ROWS).fill(1_000),
    brokerTimesMs: new Float64Array(ROWS).fill(3_000),
  };
  const whole = Profile.empty(1);
  const slices = [Profile.empty(2), Profile.empty(3), Profile.empty(4)];
  for (const [index, event] of EVENTS.entries()) {
    expect(reader.read(batch, event, 0, event.length)).toBe("ok");
    if ((index + 1) % ROWS > 0) continue;
    profiler.begin(batch, facts);
    profiler.addGroups(new Int32Array(ROWS), [whole]);
    profiler.addGroups(
      Int32Array.from({ length: ROWS }, (_, row) => row % 3),
      slices,
    );
    profiler.end();
    batch.reset();
  }
  return [whole, ...slices].map((one) => Buffer.from(one.write()).toString("hex"));
}

test("BatchProfiler gives the same profiles of a batch in WebAssembly's memory and of a plain one", () => {
  expect(profiles(false)).toEqual(profiles(true));
});
