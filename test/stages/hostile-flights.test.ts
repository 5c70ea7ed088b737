import { fileURLToPath } from "node:url";
import avsc from "avsc";
import { beforeAll, describe, expect, test } from "vitest";
import { openInput } from "../../src/consumers/file-input.ts";
import { MemoryLog } from "../../src/consumers/memory-log.ts";
import { ManualClock } from "../../src/core/clock.ts";
import type { Config } from "../../src/core/config.ts";
import type { LedgerEntry } from "../../src/core/ledger.ts";
import type { LogRecord, OutputRecord } from "../../src/core/log.ts";
import { SeededRandom } from "../../src/core/random.ts";
import { isoTime, textOf, utf8 } from "../../src/core/text.ts";
import type { MetricsRecord } from "../../src/core/verdict.ts";
import type { InvalidReason, ViolationReason } from "../../src/core/violation.ts";
import { VIOLATION_REASONS } from "../../src/core/violation.ts";
import { addCounts, emptyCounts } from "../../src/core/window.ts";
import { decodeDelta } from "../../src/profiles/delta-codec.ts";
import { createReaderSource, InProcessRegistry } from "../../src/schemas/registry.ts";
import { frame } from "../../src/schemas/wire-format.ts";
import { runBounded } from "../../src/stages/bounded-run.ts";

const FLIGHTS = fileURLToPath(new URL("../../data/flights.avro", import.meta.url));
const PARTITIONS = 4;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const END_MS = Date.UTC(2013, 1, 15);
const NOW_MS = Date.UTC(2014, 0, 1);
const SEED = 20261127;
/** One hostile record to four good ones, on average: 20 %. */
const HOSTILE_CHANCE = 0.25;
const NUMBERS = ["dep_time", "dep_delay", "arr_delay", "air_time", "hour"] as const;
const QUARANTINED = (reason: ViolationReason) => reason !== "tombstone" && reason !== "future";
const INVALID: readonly ViolationReason[] = ["invalid_utf8", "time_missing"] satisfies InvalidReason[];

/** A flight with every number in reach; the time is null in one that has none. */
interface Flight {
  readonly time_hour: number | null;
  readonly carrier: string;
  readonly route: { readonly origin: string; readonly dest: string; readonly distance: number };
  readonly [field: string]: unknown;
}

/** One record as it was written, and what must become of it. */
interface Sent {
  readonly record: OutputRecord;
  readonly outcome: "valid" | ViolationReason;
  /** What it decodes to, where it decodes. */
  readonly flight: Flight | undefined;
  readonly dayMs: number;
}

describe("20 % hostile records of every class among the flights", () => {
  const sent: Sent[] = [];
  let metrics: MetricsRecord[] = [];
  let refused: readonly LogRecord[] = [];
  let ledger: LedgerEntry[] = [];
  const logged: string[] = [];

  beforeAll(async () => {
    const registry = new InProcessRegistry();
    const hostile = await HostileMaker.open(registry);
    const random = new SeededRandom(SEED);
    for await (const { flight, timeMs } of januaryFlights()) {
      sent.push(hostile.good(flight, timeMs));
      while (random.next() < HOSTILE_CHANCE / (1 + HOSTILE_CHANCE)) sent.push(hostile.make(flight, timeMs, random));
    }
    for (const [at, { record }] of sent.entries()) Object.assign(record, { partition: at % PARTITIONS });

    const log = new MemoryLog({ clock: new ManualClock(NOW_MS) });
    await log.createTopics([
      { name: "flights", partitions: PARTITIONS },
      { name: "flights.quarantine", partitions: 1 },
      ...["profiles", "metrics", "verdicts", "alerts", "windows"].map((name) => ({
        name: `sg.${name}`,
        partitions: 1,
      })),
    ]);
    const lines: MetricsRecord[] = [];
    const note = (_fields: unknown, message: string) => void logged.push(message);
    await runBounded({
      log,
      readers: createReaderSource(registry, { clock: new ManualClock(NOW_MS) }),
      clock: new ManualClock(NOW_MS),
      logger: { info: () => {}, warn: note, error: note },
      config: CONFIG,
      hashLabel: (text) => text,
      feed: inBlocks(sent.map(({ record }) => record)),
      flushRecords: 700,
      sinks: [
        {
          name: "test",
          topics: ["metrics", "verdicts", "alerts", "windows"],
          write(topic, records) {
            if (topic !== "metrics") return;
            for (const { value } of records) if (value !== null) lines.push(JSON.parse(textOf(value)) as MetricsRecord);
          },
        },
      ],
    });
    metrics = lines;
    refused = log.records("flights.quarantine", 0);
    ledger = log.records("sg.profiles", 0).flatMap(({ value }) => {
      const delta = decodeDelta(value!);
      return delta.kind === "ledger" ? [delta.entry] : [];
    });
  }, 300_000);

  test("there is every class, one in five records", () => {
    const classes = new Set(sent.map(({ outcome }) => outcome));
    expect([...classes].sort()).toEqual(["valid", ...VIOLATION_REASONS].sort());
    const share = sent.filter(({ outcome }) => outcome !== "valid").length / sent.length;
    expect(share).toBeGreaterThan(0.18);
    expect(share).toBeLessThan(0.22);
  });

  test("the run ends by itself, without a complaint", () => {
    expect(metrics.length).toBeGreaterThan(40 * 4);
    expect(logged).toEqual([]);
  });

  test("each undecodable or invalid record is in quarantine once, with its bytes, its headers and its reason", () => {
    const wanted = new Map<string, Sent>();
    const next = new Array<number>(PARTITIONS).fill(0);
    for (const one of sent) {
      const partition = one.record.partition!;
      const offset = next[partition]!++;
      if (one.outcome !== "valid" && QUARANTINED(one.outcome)) wanted.set(`${partition}@${offset}`, one);
    }
    expect(refused.length).toBe(wanted.size);
    for (const record of refused) {
      const header = (name: string) => textOf(record.headers.find(({ key }) => key === name)?.value ?? utf8(""));
      const place = `${header("sg_partition")}@${header("sg_offset")}`;
      const one = wanted.get(place);
      expect(one, place).toBeDefined();
      expect(wanted.delete(place), `${place} twice`).toBe(true);
      expect([header("sg_reason"), header("sg_topic")], place).toEqual([one!.outcome, "flights"]);
      expect(Buffer.from(record.value!).equals(one!.record.value!), place).toBe(true);
      expect(textOf(record.key!), place).toBe(one!.record.key);
      expect(header("trace"), place).toBe(one!.outcome);
    }
    expect(wanted.size).toBe(0);
  });

  test("every window of the whole has the exact counts, and the ledger adds up", () => {
    const days = new Map<number, Sent[]>();
    for (const one of sent) days.set(one.dayMs, [...(days.get(one.dayMs) ?? []), one]);
    const whole = metrics.filter(({ slice }) => slice === "all");
    expect(whole.map(({ windowStart }) => windowStart)).toEqual([...days.keys()].sort((a, b) => a - b).map(isoTime));
    for (const { windowStart, counts, metrics: figures } of whole) {
      const day = days.get(Date.parse(windowStart)) ?? [];
      const count = (holds: (outcome: Sent["outcome"]) => boolean) =>
        day.filter(({ outcome }) => holds(outcome)).length;
      const expected = {
        consumed: day.length,
        valid: count((outcome) => outcome === "valid"),
        invalid: count((outcome) => INVALID.includes(outcome as ViolationReason)),
        undecodable: 0,
        tombstone: count((outcome) => outcome === "tombstone"),
        future: count((outcome) => outcome === "future"),
        late: 0,
        filtered: 0,
      };
      expected.undecodable =
        expected.consumed - expected.valid - expected.invalid - expected.tombstone - expected.future;
      expect(counts, windowStart).toEqual(expected);
      for (const reason of VIOLATION_REASONS) {
        const violations = count((outcome) => outcome === reason);
        expect(figures[`violation_count(${reason})`] ?? 0, `${windowStart} ${reason}`).toBe(violations);
      }
    }
  });

  test("the ledger's ranges join from the first record to the last, and sum to what was sent", () => {
    const total = emptyCounts();
    const positions = new Array<number>(PARTITIONS).fill(0);
    for (const { partition, fromOffset, toOffset, counts } of ledger) {
      expect(fromOffset).toBe(positions[partition]);
      expect(counts.consumed).toBe(toOffset - fromOffset);
      positions[partition] = toOffset;
      addCounts(total, counts);
    }
    expect(positions.reduce((sum, position) => sum + position, 0)).toBe(sent.length);
    const count = (holds: (outcome: Sent["outcome"]) => boolean) => sent.filter(({ outcome }) => holds(outcome)).length;
    const invalid = count((outcome) => INVALID.includes(outcome as ViolationReason));
    const [valid, tombstone, future] = [
      count((outcome) => outcome === "valid"),
      count((outcome) => outcome === "tombstone"),
      count((outcome) => outcome === "future"),
    ];
    const undecodable = sent.length - valid - invalid - tombstone - future;
    expect(total).toEqual({
      consumed: sent.length,
      valid,
      invalid,
      undecodable,
      tombstone,
      future,
      late: 0,
      filtered: 0,
    });
  });

  test("the figures of what decodes are exact in every window and slice", () => {
    const groups = new Map<string, Flight[]>();
    for (const { flight, outcome, dayMs } of sent) {
      if (flight === undefined || outcome === "future") continue;
      for (const slice of ["all", `origin=${flight.route.origin}`]) {
        const key = `${slice}|${isoTime(dayMs)}`;
        groups.set(key, [...(groups.get(key) ?? []), flight]);
      }
    }
    expect(metrics.length).toBe(groups.size);
    for (const { slice, windowStart, metrics: figures } of metrics) {
      const key = `${slice}|${windowStart}`;
      const flights = groups.get(key) ?? [];
      expect(figures["row_count()"], key).toBe(flights.length);
      expect(figures["null_rate(time_hour)"], key).toBe(
        flights.filter(({ time_hour }) => time_hour === null).length / flights.length,
      );
      for (const name of NUMBERS) {
        const values = flights.map((flight) => flight[name]).filter((value) => typeof value === "number");
        expect(figures[`null_rate(${name})`], `${key} ${name}`).toBe(
          1 - values.length / flights.length > 0 ? (flights.length - values.length) / flights.length : 0,
        );
        expect(figures[`min(${name})`], `${key} ${name}`).toBe(Math.min(...values));
        expect(figures[`max(${name})`], `${key} ${name}`).toBe(Math.max(...values));
        expect(figures[`mean(${name})`], `${key} ${name}`).toBeCloseTo(
          values.reduce((sum, value) => sum + value, 0) / values.length,
          8,
        );
        expect(figures[`distinct_count(${name})`], `${key} ${name}`).toBe(new Set(values).size);
      }
    }
  });
});

const CONFIG: Config = {
  deployment: "test",
  topics: { prefix: "sg." },
  alerts: { resolveAfter: 1 },
  datasets: [
    {
      topic: "flights",
      time: {
        field: "time_hour",
        latenessMs: HOUR_MS,
        idleAfterMs: Number.POSITIVE_INFINITY,
        unheardAfterMs: Number.POSITIVE_INFINITY,
        maxAheadMs: HOUR_MS,
      },
      windows: { sizesMs: [DAY_MS], timezone: "UTC" },
      slices: [{ by: "route.origin", name: "origin", limit: 50 }],
      fields: new Map(),
      valuesDefault: "show",
      detect: { season: 7, warmup: "auto" },
      quarantine: { topic: "flights.quarantine" },
      flushEveryMs: 5000,
    },
  ],
  sinks: [],
};

async function* januaryFlights(): AsyncGenerator<{ readonly flight: Flight; readonly timeMs: number }> {
  const input = await openInput(FLIGHTS, { timeField: "time_hour" });
  const type = avsc.Type.forSchema(JSON.parse(input.schemaText) as avsc.Schema);
  for await (const block of input.records()) {
    for (let at = 0; at < block.count; at++) {
      const timeMs = block.timesMs[at]!;
      if (timeMs >= END_MS) return;
      yield { flight: type.fromBuffer(Buffer.from(block.bytes.subarray(block.starts[at]!, block.ends[at]!))), timeMs };
    }
  }
}

/** Makes records of every class; what each must become follows from how it is made, not from the product's reader. */
class HostileMaker {
  readonly #type: avsc.Type;
  readonly #schemaId: number;
  readonly #refusedId: number;
  readonly #deepId: number;
  readonly #arrayId: number;

  private constructor(type: avsc.Type, ids: readonly [flights: number, refused: number, deep: number, array: number]) {
    this.#type = type;
    [this.#schemaId, this.#refusedId, this.#deepId, this.#arrayId] = ids;
  }

  static async open(registry: InProcessRegistry): Promise<HostileMaker> {
    const { schemaText } = await openInput(FLIGHTS, { timeField: "time_hour" });
    const schema = JSON.parse(schemaText) as { fields: { name: string; type: unknown }[] };
    const time = schema.fields.find(({ name }) => name === "time_hour")!;
    // Like the flights' own, but the time may be null.
    time.type = ["null", time.type];
    const text = JSON.stringify(schema);
    return new HostileMaker(avsc.Type.forSchema(schema as avsc.Schema), [
      registry.register(text),
      registry.register('{"type":"record","name":"Broken","fields":[{"name":"a-b","type":"int"}]}'),
      registry.register('{"type":"record","name":"Node","fields":[{"name":"next","type":["null","Node"]}]}'),
      registry.register(
        '{"type":"record","name":"List","fields":[{"name":"items","type":{"type":"array","items":"long"}}]}',
      ),
    ]);
  }

  good(flight: Flight, timeMs: number): Sent {
    return this.#sent("valid", timeMs, frame(this.#schemaId, this.#bytes(flight)), flight);
  }

  make(flight: Flight, timeMs: number, random: SeededRandom): Sent {
    const outcome = VIOLATION_REASONS[random.below(VIOLATION_REASONS.length)]!;
    const whole = frame(this.#schemaId, this.#bytes(flight));
    const refused = (value: Uint8Array | null) => this.#sent(outcome, timeMs, value, undefined);
    switch (outcome) {
      case "empty":
        return refused(new Uint8Array(0));
      case "short_header":
        return refused(whole.slice(0, 1 + random.below(4)));
      case "wrong_magic":
        return refused(whole.map((byte, at) => (at === 0 ? 1 + random.below(255) : byte)));
      case "schema_unknown":
        return refused(frame(1_000_000 + random.below(20), whole.subarray(5)));
      case "schema_refused":
        return refused(frame(this.#refusedId, whole.subarray(5)));
      case "truncated":
        // The last byte of a flight is that of `minute`, which is never null.
        return refused(whole.slice(0, -1));
      case "trailing_bytes":
        return refused(Buffer.concat([whole, new Uint8Array(1 + random.below(9))]));
      case "length_refused":
        // An array of 2^40 items in five bytes.
        return refused(frame(this.#arrayId, Uint8Array.of(0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02)));
      case "too_deep":
        return refused(frame(this.#deepId, new Uint8Array(100).fill(2)));
      case "malformed":
        // Branch 7 of a union of two.
        return refused(frame(this.#schemaId, Uint8Array.of(14)));
      case "tombstone":
        return refused(null);
      case "future":
        return this.#sent(outcome, timeMs, this.#framed({ ...flight, time_hour: NOW_MS + DAY_MS }), flight);
      case "time_missing": {
        const timeless = { ...flight, time_hour: null };
        return this.#sent(outcome, timeMs, this.#framed(timeless), timeless);
      }
      case "invalid_utf8": {
        // The destination is shown nowhere in the figures compared; a lone continuation byte is never UTF-8.
        const value = this.#framed({ ...flight, route: { ...flight.route, dest: "@@@" } });
        value.set([0x80, 0x80, 0x80], Buffer.from(value).indexOf("@@@"));
        return this.#sent(outcome, timeMs, value, flight);
      }
      default:
        return outcome satisfies never;
    }
  }

  #framed(flight: Flight): Uint8Array {
    return frame(this.#schemaId, this.#bytes(flight));
  }

  #bytes(flight: Flight): Uint8Array {
    return this.#type.toBuffer(flight);
  }

  #sent(outcome: Sent["outcome"], timeMs: number, value: Uint8Array | null, flight: Flight | undefined): Sent {
    const headers = [{ key: "trace", value: utf8(outcome) }];
    const record = { topic: "flights", key: `k${timeMs}`, value, headers, timestampMs: timeMs };
    return { record, outcome, flight, dayMs: Math.floor(timeMs / DAY_MS) * DAY_MS };
  }
}

async function* inBlocks(records: readonly OutputRecord[]): AsyncGenerator<readonly OutputRecord[]> {
  for (let from = 0; from < records.length; from += 4000) yield records.slice(from, from + 4000);
}
