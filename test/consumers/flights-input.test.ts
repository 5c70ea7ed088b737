import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import avro from "avsc";
import { parse } from "csv-parse/sync";
import { beforeAll, describe, expect, test } from "vitest";
import { openInput } from "../../src/consumers/file-input.ts";

const FLIGHTS = fileURLToPath(new URL("../../data/flights.avro", import.meta.url));
const SOURCE = fileURLToPath(new URL("../data/flights.csv.gz", import.meta.url));
const ROWS = 336_776;

/** One line per event of the source, in its own words: what both readings are compared by. */
let expected: readonly string[] = [];

beforeAll(() => {
  const lines: string[] = [];
  parse(gunzipSync(readFileSync(SOURCE)), {
    from_line: 2,
    on_record: ([, , , ...cells]: string[]) => {
      lines.push(cells.map((cell) => cell.replace(/\.0$/, "")).join());
      return null;
    },
  });
  // ISO times of one length: their order is that of their texts. The sort is stable.
  expected = lines.sort((left, right) =>
    left.slice(-20) < right.slice(-20) ? -1 : left.slice(-20) > right.slice(-20) ? 1 : 0,
  );
});

describe("data/flights.avro", () => {
  test("holds every row of the source in order of time, by avsc", async () => {
    const events: string[] = [];
    const decoder = avro.createFileDecoder(FLIGHTS);
    await new Promise((resolve, reject) => {
      decoder.on("data", (flight: Flight) => events.push(lineOf(flight)));
      decoder.on("error", reject);
      decoder.on("end", resolve);
    });
    expect(events.length).toBe(ROWS);
    for (let at = 0; at < ROWS; at += 997) expect(events[at]).toBe(expected[at]);
    expect(hashOf(events)).toBe(hashOf(expected));
  });

  test("is read by openInput() with the same payloads and with its times", async () => {
    const input = await openInput(FLIGHTS, { timeField: "time_hour" });
    expect(input).toMatchObject({ eventCount: ROWS, blockCount: 85, format: "avro", placeUnit: "record" });
    const type = avro.Type.forSchema(JSON.parse(input.schemaText));
    let at = 0;
    for await (const block of input.records()) {
      for (let index = 0; index < block.count; index++, at++) {
        const line = expected[at]!;
        if (block.places[index] !== at + 1 || block.timesMs[index] !== Date.parse(line.slice(-20))) expect.fail(line);
        // Every payload ends where the next begins; one in 31 is decoded.
        if (block.starts[index] !== (index === 0 ? 0 : block.ends[index - 1])) expect.fail(line);
        if (at % 31 !== 0) continue;
        const payload = Buffer.from(block.bytes.subarray(block.starts[index], block.ends[index]));
        expect(lineOf(type.fromBuffer(payload) as Flight)).toBe(line);
      }
      expect(block.ends.at(-1)).toBe(block.bytes.length);
    }
    expect(at).toBe(ROWS);
  });
});

interface Flight {
  readonly [name: string]: unknown;
  readonly time_hour: number;
  readonly route: Readonly<Record<string, unknown>>;
}

function lineOf(flight: Flight): string {
  const { route } = flight;
  const start = ["dep_time", "sched_dep_time", "dep_delay", "arr_time", "sched_arr_time", "arr_delay"];
  const names = [...start, "carrier", "flight", "tailnum"];
  const cells = names.map((name) => flight[name] ?? "");
  cells.push(route.origin ?? "", route.dest ?? "", flight.air_time ?? "", route.distance ?? "");
  cells.push(flight.hour ?? "", flight.minute ?? "");
  cells.push(new Date(flight.time_hour).toISOString().replace(".000", ""));
  return cells.join();
}

function hashOf(lines: readonly string[]): string {
  const hash = createHash("sha256");
  for (const line of lines) hash.update(line).update("\n");
  return hash.digest("hex");
}
