/**
 * Makes `data/flights.avro`, the data set of the demo, from `test/data/flights.csv.gz`. The same input and the same
 * zlib always give the same bytes.
 *
 *     node scripts/make-flights.mjs [output]
 */
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { deflateRawSync, gunzipSync } from "node:zlib";
import avro from "avsc";
import { parse } from "csv-parse/sync";

const SOURCE = new URL("../test/data/flights.csv.gz", import.meta.url);
const TARGET = fileURLToPath(new URL("../data/flights.avro", import.meta.url));
const BLOCK_EVENTS = 4000;

const NULLABLE_INT = ["null", "int"];
/** Year, month and day of the source are left out: they are the event time. */
const SCHEMA = {
  type: "record",
  name: "Flight",
  namespace: "streamgauge.demo",
  doc: "A scheduled departure from New York's airports (JFK, LGA, EWR) in 2013.",
  fields: [
    { name: "time_hour", type: { type: "long", logicalType: "timestamp-millis" }, doc: "Scheduled hour, UTC." },
    { name: "dep_time", type: NULLABLE_INT, doc: "Local time as hhmm; null when the flight was cancelled." },
    { name: "sched_dep_time", type: "int", doc: "Local time as hhmm." },
    { name: "dep_delay", type: NULLABLE_INT, doc: "Minutes; early is negative." },
    { name: "arr_time", type: NULLABLE_INT, doc: "Local time as hhmm." },
    { name: "sched_arr_time", type: "int", doc: "Local time as hhmm." },
    { name: "arr_delay", type: NULLABLE_INT, doc: "Minutes; early is negative." },
    { name: "carrier", type: "string", doc: "Two-letter code of the airline." },
    { name: "flight", type: "int", doc: "Flight number." },
    { name: "tailnum", type: ["null", "string"], doc: "Registration of the aircraft." },
    {
      name: "route",
      type: {
        type: "record",
        name: "Route",
        fields: [
          { name: "origin", type: "string" },
          { name: "dest", type: "string" },
          { name: "distance", type: "int", doc: "Miles." },
        ],
      },
    },
    { name: "air_time", type: NULLABLE_INT, doc: "Minutes." },
    { name: "hour", type: "int", doc: "Hour of sched_dep_time." },
    { name: "minute", type: "int", doc: "Minute of sched_dep_time." },
  ],
};

const flights = parse(gunzipSync(readFileSync(SOURCE)), { columns: true, info: false, on_record: toFlight });
// Stable: flights of one hour stay in the order of the source.
flights.sort((left, right) => left.time_hour - right.time_hour);
const bytes = container(flights);
writeFileSync(process.argv[2] ?? TARGET, bytes);
console.log(`${flights.length} flights, ${bytes.length} bytes`);

/** @param {Record<string, string>} row */
function toFlight(row) {
  return {
    time_hour: Date.parse(row.time_hour),
    dep_time: wholeOrNull(row.dep_time),
    sched_dep_time: whole(row.sched_dep_time),
    dep_delay: wholeOrNull(row.dep_delay),
    arr_time: wholeOrNull(row.arr_time),
    sched_arr_time: whole(row.sched_arr_time),
    arr_delay: wholeOrNull(row.arr_delay),
    carrier: row.carrier,
    flight: whole(row.flight),
    tailnum: row.tailnum === "" ? null : row.tailnum,
    route: { origin: row.origin, dest: row.dest, distance: whole(row.distance) },
    air_time: wholeOrNull(row.air_time),
    hour: whole(row.hour),
    minute: whole(row.minute),
  };
}

/** @param {string} text */
function whole(text) {
  const value = Number(text);
  if (text === "" || !Number.isInteger(value)) throw new RangeError(`Cannot make flights: ${text} is not whole`);
  return value;
}

/** @param {string} text */
function wholeOrNull(text) {
  return text === "" ? null : whole(text);
}

/**
 * The container is framed here, because avsc draws its sync markers by chance.
 * @param {object[]} events
 */
function container(events) {
  const type = avro.Type.forSchema(SCHEMA);
  const header = avro.Type.forSchema({ type: "map", values: "bytes" });
  const long = avro.Type.forSchema("long");
  const sync = createHash("md5").update("streamgauge.demo.Flight").digest();
  const metadata = { "avro.codec": Buffer.from("deflate"), "avro.schema": Buffer.from(JSON.stringify(SCHEMA)) };
  const parts = [Buffer.from("Obj\x01", "latin1"), header.toBuffer(metadata), sync];
  for (let at = 0; at < events.length; at += BLOCK_EVENTS) {
    const block = events.slice(at, at + BLOCK_EVENTS);
    const packed = deflateRawSync(Buffer.concat(block.map((event) => type.toBuffer(event))), { level: 9 });
    parts.push(long.toBuffer(block.length), long.toBuffer(packed.length), packed, sync);
  }
  return Buffer.concat(parts);
}
