/**
 * What the demo watches: the bundled flights as records of the memory log, with four planted faults. Most payloads pass as they are; those of
 * the faulty days are decoded, damaged and encoded again.
 */
import avsc from "avsc";
import type { EventBlock, FileInput } from "../consumers/event-block.ts";
import type { Config } from "../core/config.ts";
import type { OutputRecord } from "../core/log.ts";
import { frame } from "../schemas/wire-format.ts";

export const DEMO_TOPIC = "flights";
export const DEMO_PARTITIONS = 4;

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;

/** What a file for this run would say; `replay` with such a file does the same without the planted faults. */
export const DEMO_CONFIG: Config = {
  deployment: "demo",
  topics: { prefix: "streamgauge." },
  startFrom: "earliest",
  checkpointEveryMs: 30_000,
  alerts: { resolveAfter: 1 },
  datasets: [
    {
      topic: DEMO_TOPIC,
      time: {
        field: "time_hour",
        latenessMs: HOUR_MS,
        idleAfterMs: 60_000,
        unheardAfterMs: 300_000,
        maxAheadMs: HOUR_MS,
      },
      windows: { sizesMs: [DAY_MS], timezone: "UTC" },
      slices: [{ by: "route.origin", name: "origin", limit: 50 }],
      fields: new Map(),
      valuesDefault: "show",
      detect: { season: 7, warmup: "auto" },
      flushEveryMs: 5000,
    },
  ],
  sinks: [],
};

interface Flight {
  dep_delay: number | null;
  carrier: string;
  readonly route: { readonly origin: string; distance: number };
}

export interface PlantedFault {
  /** In the words that the demo prints. */
  readonly text: string;
  /** UTC days. */
  readonly days: readonly string[];
  /** Field, or metric of the dataset itself, that an alert should blame. */
  readonly causes: readonly string[];
}

export const PLANTED_FAULTS: readonly PlantedFault[] = [
  {
    text: "10 and 11 September: carrier `UA` arrives as `ua`",
    days: ["2013-09-10", "2013-09-11"],
    causes: ["carrier"],
  },
  {
    text: "15 October: `route.distance` is in kilometres for JFK",
    days: ["2013-10-15"],
    causes: ["route.distance"],
  },
  { text: "12 November: 20 % of EWR's `dep_delay` are null", days: ["2013-11-12"], causes: ["dep_delay"] },
  {
    text: "3 December: every event of 11:00–12:00 UTC comes twice",
    days: ["2013-12-03"],
    causes: ["duplicate_share()", "row_count()"],
  },
];

const UA_DAYS = [Date.UTC(2013, 8, 10), Date.UTC(2013, 8, 11)];
const KILOMETRES_DAY = Date.UTC(2013, 9, 15);
const NULLS_DAY = Date.UTC(2013, 10, 12);
const TWICE_HOUR = Date.UTC(2013, 11, 3, 11);
const KILOMETRES_PER_MILE = 1.609344;
/** Every fifth event of EWR: 20 %. */
const NULL_EVERY = 5;

/** Blocks of records for the topic, spread over the partitions in turn, stamped with their event time. */
export async function* demoRecords(input: FileInput, schemaId: number): AsyncGenerator<readonly OutputRecord[]> {
  // Our own schema, shipped with the package: avsc may compile it.
  const type = avsc.Type.forSchema(JSON.parse(input.schemaText) as avsc.Schema);
  const damage = new Damage(type);
  let ordinal = 0;
  for await (const block of input.records()) {
    const records: OutputRecord[] = [];
    for (let index = 0; index < block.count; index++) {
      const timestampMs = block.timesMs[index] ?? Number.NaN;
      const value = frame(schemaId, damage.apply(payloadOf(block, index), timestampMs));
      const record = { topic: DEMO_TOPIC, partition: ordinal++ % DEMO_PARTITIONS, key: null, value, timestampMs };
      records.push(record);
      if (timestampMs >= TWICE_HOUR && timestampMs < TWICE_HOUR + HOUR_MS) records.push(record);
    }
    yield records;
  }
}

function payloadOf(block: EventBlock, index: number): Uint8Array {
  return block.bytes.subarray(block.starts[index], block.ends[index]);
}

class Damage {
  readonly #type: avsc.Type;
  #newarkEvents = 0;

  constructor(type: avsc.Type) {
    this.#type = type;
  }

  apply(payload: Uint8Array, timestampMs: number): Uint8Array {
    const dayMs = Math.floor(timestampMs / DAY_MS) * DAY_MS;
    if (UA_DAYS.includes(dayMs)) {
      return this.#change(payload, (flight) => {
        if (flight.carrier === "UA") flight.carrier = "ua";
      });
    }
    if (dayMs === KILOMETRES_DAY) {
      return this.#change(payload, ({ route }) => {
        if (route.origin === "JFK") route.distance = Math.round(route.distance * KILOMETRES_PER_MILE);
      });
    }
    if (dayMs === NULLS_DAY) {
      return this.#change(payload, (flight) => {
        if (flight.route.origin === "EWR" && this.#newarkEvents++ % NULL_EVERY === 0) flight.dep_delay = null;
      });
    }
    return payload;
  }

  #change(payload: Uint8Array, change: (flight: Flight) => void): Uint8Array {
    const flight = this.#type.fromBuffer(Buffer.from(payload)) as Flight;
    change(flight);
    return this.#type.toBuffer(flight);
  }
}
