import { describe, expect, test } from "vitest";
import { ManualClock } from "../../src/core/clock.ts";
import { StreamgaugeError } from "../../src/core/errors.ts";
import type { RegisteredSchema, SchemaRegistry } from "../../src/core/schema-registry.ts";
import { createReaderSource, InProcessRegistry } from "../../src/schemas/registry.ts";

/** A registry that counts what it is asked. */
class CountingRegistry implements SchemaRegistry {
  readonly inner = new InProcessRegistry();
  readonly asked: number[] = [];

  async schema(id: number): Promise<RegisteredSchema | undefined> {
    this.asked.push(id);
    return this.inner.schema(id);
  }
}

describe("InProcessRegistry", () => {
  test("register() gives ids from 1, the same to the same text", async () => {
    const registry = new InProcessRegistry();
    expect([registry.register('"int"'), registry.register('"long"'), registry.register('"int"')]).toEqual([1, 2, 1]);
    expect(await registry.schema(2)).toEqual({ id: 2, type: "AVRO", text: '"long"' });
    expect(await registry.schema(0)).toBeUndefined();
    expect(await registry.schema(3)).toBeUndefined();
  });
});

describe("createReaderSource()", () => {
  test("load() asks once for many at a time, and not again", async () => {
    const registry = new CountingRegistry();
    const id = registry.inner.register('"int"');
    const source = createReaderSource(registry, { clock: new ManualClock() });
    expect(source.known(id)).toBeUndefined();
    const readers = await Promise.all([source.load(id), source.load(id), source.load(id)]);
    expect(new Set(readers).size).toBe(1);
    expect(readers[0]).toHaveProperty("fields");
    expect(source.known(id)).toBe(readers[0]);
    expect(await source.load(id)).toBe(readers[0]);
    expect(registry.asked).toEqual([id]);
  });

  test("load() keeps an unknown id for a minute, then asks again", async () => {
    const clock = new ManualClock();
    const registry = new CountingRegistry();
    const source = createReaderSource(registry, { clock });
    for (let i = 0; i < 100; i++) expect(await source.load(1)).toMatchObject({ reason: "schema_unknown" });
    clock.moveTo(59_999);
    expect(source.known(1)).toMatchObject({ reason: "schema_unknown" });
    expect(registry.asked).toEqual([1]);
    clock.moveTo(60_000);
    registry.inner.register('"int"');
    expect(source.known(1)).toBeUndefined();
    expect(await source.load(1)).toHaveProperty("fields");
    expect(source.known(1)).toHaveProperty("fields");
    expect(registry.asked).toEqual([1, 1]);
  });

  test("load() keeps the refusal of a bad schema, with its reason", async () => {
    const clock = new ManualClock();
    const registry = new CountingRegistry();
    const id = registry.inner.register('{"type":"record","name":"R","fields":[{"name":"f","type":"innt"}]}');
    const source = createReaderSource(registry, { clock });
    const refusal = await source.load(id);
    expect(refusal).toMatchObject({ reason: "schema_refused", message: expect.stringContaining("fields[0].type") });
    clock.advance(1e9);
    expect(source.known(id)).toBe(refusal);
    expect(registry.asked).toEqual([id]);
  });

  test("load() fails with SG_CONNECT when the registry does not answer, and can be tried again", async () => {
    const clock = new ManualClock();
    let answers = false;
    const registry: SchemaRegistry = {
      schema: (id) => (answers ? Promise.resolve({ id, type: "AVRO", text: '"int"' }) : new Promise(() => {})),
    };
    const source = createReaderSource(registry, { clock });
    const failed = expect(source.load(1)).rejects.toMatchObject({ code: "SG_CONNECT" });
    clock.moveTo(10_000);
    await failed;
    expect(source.known(1)).toBeUndefined();
    answers = true;
    expect(await source.load(1)).toHaveProperty("fields");
  });

  test("load() fails with SG_CONNECT when the registry fails, and leaves no timer", async () => {
    const clock = new ManualClock();
    const cause = new Error("connection refused");
    const source = createReaderSource({ schema: () => Promise.reject(cause) }, { clock });
    await expect(source.load(1)).rejects.toMatchObject({ code: "SG_CONNECT", cause });
    const throwing = createReaderSource(
      {
        schema: () => {
          throw cause;
        },
      },
      { clock },
    );
    await expect(throwing.load(1)).rejects.toMatchObject({ code: "SG_CONNECT", cause });
    clock.moveTo(10_000);
  });

  test("load() passes on that the registry refuses, and keeps for a minute that a schema cannot be put together", async () => {
    const clock = new ManualClock();
    let asked = 0;
    const failing = (code: "SG_CONFIG" | "SG_SCHEMA") => ({
      schema: () => {
        asked++;
        return Promise.reject(new StreamgaugeError(code, "said so"));
      },
    });
    const refusing = createReaderSource(failing("SG_CONFIG"), { clock });
    for (let i = 0; i < 2; i++) await expect(refusing.load(1)).rejects.toMatchObject({ code: "SG_CONFIG" });
    expect(asked).toBe(2);
    const broken = createReaderSource(failing("SG_SCHEMA"), { clock });
    for (let i = 0; i < 2; i++) expect(await broken.load(1)).toEqual({ reason: "schema_refused", message: "said so" });
    expect(asked).toBe(3);
    clock.advance(60_000);
    await broken.load(1);
    expect(asked).toBe(4);
  });

  test("keeps the readers used last, and a flood of unknown ids evicts none", async () => {
    const registry = new CountingRegistry();
    for (const type of ["int", "long", "string", "bytes"]) registry.inner.register(`"${type}"`);
    const source = createReaderSource(registry, { clock: new ManualClock(), maxReaders: 3 });
    for (const id of [1, 2, 3]) await source.load(id);
    source.known(1);
    await source.load(4);
    expect([1, 2, 3, 4].map((id) => source.known(id) !== undefined)).toEqual([true, false, true, true]);
    for (let id = 100; id < 200; id++) await source.load(id);
    expect([1, 3, 4].map((id) => source.known(id) !== undefined)).toEqual([true, true, true]);
    expect(source.known(100)).toBeUndefined();
    expect(source.known(199)).toBeDefined();
  });

  test("load() does not wait for more requests than it keeps readers", async () => {
    const registry: SchemaRegistry = { schema: () => new Promise(() => {}) };
    const clock = new ManualClock();
    const source = createReaderSource(registry, { clock, maxReaders: 2 });
    const waiting = [source.load(1), source.load(2)].map((load) => expect(load).rejects.toThrow("did not answer"));
    await expect(source.load(3)).rejects.toMatchObject({ code: "SG_CONNECT" });
    clock.moveTo(10_000);
    await Promise.all(waiting);
  });
});
