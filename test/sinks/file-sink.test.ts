import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getDefaultHighWaterMark } from "node:stream";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openFileSink } from "../../src/sinks/file-sink.ts";
import { ALERT, recordOf, TOMBSTONE } from "./records.ts";

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "streamgauge-file-sink-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const names = () => readdirSync(directory).sort();
const textOf = (name: string) => readFileSync(join(directory, name), "utf8");
const FINISHED = ["alerts.jsonl", "metrics.jsonl", "verdicts.jsonl"];
const PARTS = FINISHED.map((name) => `${name}.part`);

describe("openFileSink(), atomic", () => {
  test("leaves whole files after close, one line per record, and no other", async () => {
    const sink = await openFileSink({ directory, atomic: true });
    await sink.write("metrics", [recordOf({ a: 1 }), TOMBSTONE, recordOf({ a: "ü\n" })]);
    await sink.write("alerts", [recordOf(ALERT)]);
    await sink.write("metrics", [recordOf({ a: 3 })]);
    expect(names()).toEqual(PARTS);
    await sink.close();
    expect(names()).toEqual(FINISHED);
    expect(textOf("metrics.jsonl")).toBe('{"a":1}\n{"a":"ü\\n"}\n{"a":3}\n');
    expect(JSON.parse(textOf("alerts.jsonl"))).toEqual(ALERT);
    expect(textOf("verdicts.jsonl")).toBe("");
  });

  test("leaves no file that looks whole before close, and none at all after discard", async () => {
    const sink = await openFileSink({ directory, atomic: true });
    await sink.write("verdicts", [recordOf({ a: 1 })]);
    expect(names().filter((name) => name.endsWith(".jsonl"))).toEqual([]);
    await sink.discard();
    expect(names()).toEqual([]);
    await sink.discard();
  });

  test("keeps the files of an earlier run until close, and those after discard", async () => {
    writeFileSync(join(directory, "metrics.jsonl"), "earlier\n");
    const discarded = await openFileSink({ directory, atomic: true });
    await discarded.write("metrics", [recordOf({ a: 1 })]);
    expect(textOf("metrics.jsonl")).toBe("earlier\n");
    await discarded.discard();
    expect(textOf("metrics.jsonl")).toBe("earlier\n");
    const closed = await openFileSink({ directory, atomic: true });
    await closed.write("metrics", [recordOf({ a: 2 })]);
    await closed.close();
    expect(textOf("metrics.jsonl")).toBe('{"a":2}\n');
  });

  test("starts anew over what a run that died has left", async () => {
    writeFileSync(join(directory, "metrics.jsonl.part"), "left over and longer than what comes\n");
    const sink = await openFileSink({ directory, atomic: true });
    await sink.write("metrics", [recordOf({ a: 1 })]);
    await sink.close();
    expect(textOf("metrics.jsonl")).toBe('{"a":1}\n');
    expect(names()).toEqual(FINISHED);
  });

  test("makes the directory, with those above it", async () => {
    const sink = await openFileSink({ directory: join(directory, "a", "b"), atomic: true });
    await sink.close();
    expect(readdirSync(join(directory, "a", "b")).sort()).toEqual(FINISHED);
  });
});

describe("openFileSink(), appending", () => {
  test("goes on where the last run ended, in files that are there at once", async () => {
    for (const run of [1, 2]) {
      const sink = await openFileSink({ directory, atomic: false });
      await sink.write("alerts", [recordOf({ run })]);
      expect(names()).toEqual(FINISHED);
      await sink.close();
    }
    expect(textOf("alerts.jsonl")).toBe('{"run":1}\n{"run":2}\n');
  });

  test("removes nothing on discard", async () => {
    const sink = await openFileSink({ directory, atomic: false });
    await sink.write("alerts", [recordOf({ run: 1 })]);
    await sink.discard();
    expect(textOf("alerts.jsonl")).toBe('{"run":1}\n');
  });
});

describe("openFileSink() under load", () => {
  test("keeps every record in order when there are more than the streams buffer, in three files at once", async () => {
    const sink = await openFileSink({ directory, atomic: true });
    const padding = "x".repeat(1000);
    const count = 3000;
    const topics = ["metrics", "verdicts", "alerts"] as const;
    await Promise.all(
      topics.map(async (topic) => {
        for (let from = 0; from < count; from += 500) {
          await sink.write(
            topic,
            Array.from({ length: 500 }, (_, i) => recordOf({ i: from + i, topic, padding })),
          );
        }
      }),
    );
    await sink.close();
    for (const topic of topics) {
      const lines = textOf(`${topic}.jsonl`).split("\n");
      expect(lines.pop()).toBe("");
      expect(lines.map((line) => JSON.parse(line).i)).toEqual(Array.from({ length: count }, (_, i) => i));
      expect(lines.every((line) => JSON.parse(line).topic === topic)).toBe(true);
    }
  });

  test("takes no more than the file does: what was handed over is in the file but for what a stream buffers", async () => {
    const sink = await openFileSink({ directory, atomic: false });
    const records = Array.from({ length: 200 }, () => recordOf({ padding: "x".repeat(10_000) }));
    await sink.write("metrics", records);
    const bytes = records.length * (records[0]!.value!.length + 1);
    // 16 KiB up to Node 20, 64 KiB from Node 22 on.
    expect(bytes - textOf("metrics.jsonl").length).toBeLessThanOrEqual(getDefaultHighWaterMark(false));
    await sink.close();
    expect(textOf("metrics.jsonl")).toHaveLength(bytes);
  });
});

describe.skipIf(!existsSync("/dev/full"))("openFileSink() on a full disk", () => {
  test("fails, does not wait for ever, and leaves no file that looks whole", async () => {
    symlinkSync("/dev/full", join(directory, "metrics.jsonl.part"));
    const sink = await openFileSink({ directory, atomic: true });
    const records = Array.from({ length: 100 }, () => recordOf({ padding: "x".repeat(10_000) }));
    await expect(sink.write("metrics", records)).rejects.toMatchObject({ code: "ENOSPC" });
    await expect(sink.write("metrics", records)).rejects.toMatchObject({ code: "ENOSPC" });
    await expect(sink.close()).rejects.toMatchObject({ code: "ENOSPC" });
    await sink.discard();
    expect(names()).toEqual([]);
  });

  test("fails on close when the records still waited for the disk", async () => {
    for (const atomic of [true, false]) {
      symlinkSync("/dev/full", join(directory, atomic ? "alerts.jsonl.part" : "alerts.jsonl"));
      const sink = await openFileSink({ directory, atomic });
      await sink.write("alerts", [recordOf(ALERT)]);
      await expect(sink.close()).rejects.toMatchObject({ code: "ENOSPC" });
      expect(names()).toEqual(atomic ? PARTS : [...FINISHED, ...PARTS].sort());
    }
  });
});

describe("openFileSink() refuses", () => {
  // Root may write anywhere, but nobody can make a directory below a regular file.
  test("a directory that cannot be, with exit code 2 and its name", async () => {
    writeFileSync(join(directory, "file"), "");
    const below = join(directory, "file", "out");
    for (const atomic of [true, false]) {
      await expect(openFileSink({ directory: below, atomic })).rejects.toMatchObject({
        code: "SG_CONFIG",
        exitCode: 2,
        message: expect.stringContaining(`Cannot write into ${below}: `),
      });
    }
  });

  test("a directory with a file that cannot be written, before the first record, and leaves it as it was", async () => {
    const inTheWay = join(directory, "verdicts.jsonl.part");
    mkdirSync(inTheWay);
    writeFileSync(join(inTheWay, "mine"), "kept");
    await expect(openFileSink({ directory, atomic: true })).rejects.toMatchObject({ code: "SG_CONFIG" });
    expect(names()).toEqual(["verdicts.jsonl.part"]);
    expect(readFileSync(join(inTheWay, "mine"), "utf8")).toBe("kept");
  });

  test("to finish when a file cannot take its name, and leaves no part after discard", async () => {
    const sink = await openFileSink({ directory, atomic: true });
    await sink.write("metrics", [recordOf({ a: 1 })]);
    mkdirSync(join(directory, "metrics.jsonl", "full"), { recursive: true });
    await expect(sink.close()).rejects.toThrow();
    await sink.discard();
    expect(names()).toEqual(["metrics.jsonl"]);
  });
});
