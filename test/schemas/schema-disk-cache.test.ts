import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type ErrorCode, StreamgaugeError } from "../../src/core/errors.ts";
import type { RegisteredSchema, SchemaRegistry } from "../../src/core/schema-registry.ts";
import { createSchemaDiskCache } from "../../src/schemas/schema-disk-cache.ts";

const URL = "http://registry:8081";

let folder = "";
let directory = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "streamgauge-schemas-"));
  directory = join(folder, "made", "when needed");
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A registry that gives `text` behind every id, until it fails. */
class TestRegistry implements SchemaRegistry {
  text = '"int"';
  references: readonly string[] | undefined;
  failure: ErrorCode | undefined;

  async schema(id: number): Promise<RegisteredSchema | undefined> {
    if (this.failure !== undefined) throw new StreamgaugeError(this.failure, "the registry is down");
    if (id === 404) return undefined;
    return {
      id,
      type: "AVRO",
      text: this.text,
      ...(this.references === undefined ? {} : { references: this.references }),
    };
  }
}

/** A process that uses the directory. */
function open(registry: SchemaRegistry, options: { url?: string; maxFiles?: number; directory?: string } = {}) {
  const lines: string[] = [];
  const say = (level: string) => (_fields: object, message: string) => lines.push(`${level} ${message}`);
  const cache = createSchemaDiskCache(registry, {
    directory: options.directory ?? directory,
    registryUrl: options.url ?? URL,
    logger: { info: say("info"), warn: say("warn"), error: say("error") },
    ...(options.maxFiles === undefined ? {} : { maxFiles: options.maxFiles }),
  });
  return { cache, lines };
}

function files(): string[] {
  return existsSync(directory) ? readdirSync(directory).sort() : [];
}

describe("createSchemaDiskCache()", () => {
  test.each(["SG_CONNECT", "SG_CONFIG"] as const)(
    "gives after a restart what was known before, while the registry fails with %s",
    async (code) => {
      const registry = new TestRegistry();
      registry.references = ['{"type":"fixed","name":"F","size":1}', '"ü\u2028"'];
      const before = await open(registry).cache.schema(5);
      expect(before).toEqual({ id: 5, type: "AVRO", text: '"int"', references: registry.references });

      registry.failure = code;
      const { cache, lines } = open(registry);
      for (let i = 0; i < 3; i++) expect(await cache.schema(5)).toEqual(before);
      await expect(cache.schema(6)).rejects.toMatchObject({ code });
      expect(lines).toEqual(["warn schemas are read from disk"]);
      expect(files()).toHaveLength(1);
    },
  );

  test("keeps the schemas of two registries apart", async () => {
    const one = new TestRegistry();
    const two = new TestRegistry();
    two.text = '"long"';
    await open(one).cache.schema(5);
    await open(two, { url: "http://other:8081" }).cache.schema(5);
    expect(files()).toHaveLength(2);
    one.failure = "SG_CONNECT";
    two.failure = "SG_CONNECT";
    expect(await open(one, { url: `${URL}/` }).cache.schema(5)).toMatchObject({ text: '"int"' });
    expect(await open(two, { url: "http://other:8081" }).cache.schema(5)).toMatchObject({ text: '"long"' });
    await expect(open(one, { url: "http://third" }).cache.schema(5)).rejects.toMatchObject({ code: "SG_CONNECT" });
  });

  test("believes a registry that answers: a new schema, an unknown id, one that cannot be used", async () => {
    const registry = new TestRegistry();
    await open(registry).cache.schema(5);
    registry.text = '"long"';
    const { cache, lines } = open(registry);
    expect(await cache.schema(5)).toMatchObject({ text: '"long"' });
    expect(lines).toEqual(["warn the registry has another schema behind this id than before"]);
    expect(await cache.schema(404)).toBeUndefined();
    expect(files()).toHaveLength(1);
    registry.failure = "SG_SCHEMA";
    await expect(cache.schema(5)).rejects.toMatchObject({ code: "SG_SCHEMA" });
    registry.failure = "SG_CONNECT";
    expect(await cache.schema(5)).toMatchObject({ text: '"long"' });
  });

  test.each<[string, (text: string) => string | Buffer]>([
    ["cut", (text) => text.slice(0, -3)],
    ["empty", () => ""],
    ["changed", (text) => text.replace("int", "long")],
    ["other JSON", () => "null"],
    ["not JSON", () => Buffer.from([0, 255, 254])],
    ["of another form", () => JSON.stringify({ type: 5, text: {} })],
  ])("ignores a file that is %s, and writes it anew", async (_what, damage) => {
    const registry = new TestRegistry();
    await open(registry).cache.schema(5);
    const file = join(directory, files()[0] ?? "");
    writeFileSync(file, damage(readFileSync(file, "utf8")));
    registry.failure = "SG_CONNECT";
    await expect(open(registry).cache.schema(5)).rejects.toMatchObject({ code: "SG_CONNECT" });
    registry.failure = undefined;
    const { cache, lines } = open(registry);
    await cache.schema(5);
    expect(lines).toEqual([]);
    registry.failure = "SG_CONNECT";
    expect(await open(registry).cache.schema(5)).toMatchObject({ text: '"int"' });
  });

  test("does not take the file of one id for another", async () => {
    const registry = new TestRegistry();
    await open(registry).cache.schema(5);
    const name = files()[0] ?? "";
    writeFileSync(join(directory, name.replace("-5.", "-6.")), readFileSync(join(directory, name)));
    registry.failure = "SG_CONNECT";
    await expect(open(registry).cache.schema(6)).rejects.toMatchObject({ code: "SG_CONNECT" });
  });

  test("works without a directory that can be written, with one warning", async () => {
    const blocked = join(folder, "file");
    writeFileSync(blocked, "");
    const { cache, lines } = open(new TestRegistry(), { directory: join(blocked, "below a file") });
    for (let id = 0; id < 5; id++) expect(await cache.schema(id)).toMatchObject({ id });
    expect(lines).toEqual(["warn schemas cannot be kept on disk: a restart will need the registry"]);
  });

  test("keeps at most so many files of a registry, the oldest go, and files of others stay", async () => {
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, "notes.txt"), "not ours");
    const registry = new TestRegistry();
    const { cache } = open(registry, { maxFiles: 20 });
    for (let id = 0; id < 60; id++) {
      await cache.schema(id);
      const own = files().filter((name) => name.endsWith(`-${id}.json`));
      // The times of files are too coarse to tell files of the same millisecond apart.
      for (const name of own) utimesSync(join(directory, name), id, id);
      expect(files().length - 1).toBeLessThanOrEqual(20);
    }
    const ids = files()
      .flatMap((name) => /-(\d+)\.json$/.exec(name)?.[1] ?? [])
      .map(Number);
    expect(Math.min(...ids)).toBe(60 - ids.length);
    expect(ids.length).toBeGreaterThanOrEqual(18);
    expect(files()).toContain("notes.txt");
    // A restart counts what is there.
    await open(registry, { maxFiles: 10 }).cache.schema(100);
    expect(files().length - 1).toBeLessThanOrEqual(10);
  });

  test("leaves no half files, however many processes write the same id", async () => {
    const registry = new TestRegistry();
    const processes = Array.from({ length: 8 }, () => open(registry));
    await Promise.all(processes.flatMap(({ cache }) => [1, 2, 3].map((id) => cache.schema(id))));
    expect(files()).toHaveLength(3);
    expect(files().filter((name) => name.endsWith(".tmp"))).toEqual([]);
    registry.failure = "SG_CONNECT";
    for (const id of [1, 2, 3]) expect(await open(registry).cache.schema(id)).toMatchObject({ id });
    expect(processes.flatMap(({ lines }) => lines)).toEqual([]);
  });
});
