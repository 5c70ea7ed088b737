// Trip events as a ride service would write them: 20 fields, 27 columns (16 numeric, 8 of text, an enum, a boolean, the
// length of an array), nullable unions, one record used twice, an array of strings; some 195 bytes each. Seeded.
import { AvroBinaryWriter } from "../dist/core/avro-binary.js";
import { SeededRandom } from "../dist/core/random.js";
import { WIRE_HEADER_BYTES } from "../dist/schemas/wire-format.js";

const PLACE = {
  type: "record",
  name: "Place",
  fields: [
    { name: "lat", type: "double" },
    { name: "lon", type: "double" },
    { name: "cell", type: "int" },
    { name: "zone", type: "string" },
  ],
};
const VENDORS = ["CAB", "RIDE", "SHUTTLE", "BIKE"];

export const TRIP_SCHEMA = {
  type: "record",
  name: "Trip",
  fields: [
    { name: "id", type: "string" },
    { name: "requested_at", type: { type: "long", logicalType: "timestamp-millis" } },
    { name: "started_at", type: ["null", { type: "long", logicalType: "timestamp-millis" }] },
    { name: "vendor", type: { type: "enum", name: "Vendor", symbols: VENDORS } },
    { name: "pickup", type: PLACE },
    { name: "dropoff", type: "Place" },
    { name: "driver", type: "long" },
    { name: "passengers", type: "int" },
    { name: "distance_km", type: "double" },
    { name: "duration_s", type: "int" },
    { name: "fare", type: "double" },
    { name: "tip", type: ["null", "double"] },
    { name: "tolls", type: ["null", "double"] },
    { name: "surge", type: "float" },
    { name: "shared", type: "boolean" },
    { name: "city", type: "string" },
    { name: "payment", type: ["null", "string"] },
    { name: "app_version", type: "string" },
    { name: "promo", type: ["null", "string"] },
    { name: "tags", type: { type: "array", items: "string" } },
  ],
};

const CITIES = ["New York", "Newark", "Jersey City", "Yonkers", "Hoboken", "White Plains"];
const PAYMENTS = ["card", "cash", "wallet", "voucher", "invoice"];
const TAGS = ["airport", "pool", "business", "pet", "child-seat", "night", "corporate", "wheelchair"];
const FIRST_MS = Date.UTC(2026, 0, 5);
/** Between two events. */
const STEP_MS = 40;

/** `count` payloads in wire format, with room for the header in front. */
export function tripEvents(count, seed = 1) {
  const random = new SeededRandom(seed);
  return Array.from({ length: count }, (_, index) => {
    const writer = new AvroBinaryWriter(320);
    writer.raw(new Uint8Array(WIRE_HEADER_BYTES));
    writeTrip(writer, random, index);
    return Buffer.from(writer.finish());
  });
}

function writeTrip(writer, random, index) {
  const requestedMs = FIRST_MS + index * STEP_MS + random.below(30_000);
  const distanceKm = logNormal(random, 1.1, 0.7);
  const durationS = Math.round(distanceKm * 150 * (0.7 + 0.6 * random.next())) + 60;
  const surge = random.below(5) === 0 ? 1 + random.below(8) / 4 : 1;
  const fare = cents((2.5 + distanceKm * 1.6 + durationS * 0.004) * surge);
  writer.string(`${hex(random)}-${hex(random).slice(4)}-${hex(random)}`);
  writer.long(requestedMs);
  if (random.below(50) === 0) writer.long(0);
  else {
    writer.long(1);
    writer.long(requestedMs + 20_000 + random.below(600_000));
  }
  writer.long(skewed(random, VENDORS.length));
  writePlace(writer, random);
  writePlace(writer, random);
  writer.long(100_000 + skewed(random, 12_000));
  writer.long(1 + skewed(random, 6));
  writer.double(cents(distanceKm));
  writer.long(durationS);
  writer.double(fare);
  writeNullable(writer, random.below(3) === 0 ? undefined : cents(fare * 0.05 * random.below(6)));
  writeNullable(writer, random.below(12) === 0 ? 6.94 * (1 + random.below(2)) : undefined);
  writer.raw(new Uint8Array(Float32Array.of(surge).buffer));
  writer.boolean(random.below(9) === 0);
  writer.string(CITIES[skewed(random, CITIES.length)]);
  writeNullable(writer, random.below(100) === 0 ? undefined : PAYMENTS[skewed(random, PAYMENTS.length)]);
  writer.string(`${5 + skewed(random, 2)}.${skewed(random, 9)}.${skewed(random, 4)}`);
  writeNullable(writer, random.below(20) === 0 ? `PROMO${skewed(random, 200)}` : undefined);
  const tags = skewed(random, 4);
  if (tags > 0) writer.long(tags);
  for (let tag = 0; tag < tags; tag++) writer.string(TAGS[skewed(random, TAGS.length)]);
  writer.long(0);
}

function writePlace(writer, random) {
  const zone = skewed(random, 260);
  writer.double(micro(40.75 + 0.04 * normal(random)));
  writer.double(micro(-73.97 + 0.05 * normal(random)));
  writer.long(zone * 16 + random.below(16));
  writer.string(`Zone ${zone} ${zone % 3 === 0 ? "Heights" : "Park"}`);
}

function writeNullable(writer, value) {
  writer.long(value === undefined ? 0 : 1);
  if (typeof value === "number") writer.double(value);
  else if (value !== undefined) writer.string(value);
}

/** Below `bound`, small ones more often: as with places, drivers and codes. */
function skewed(random, bound) {
  return Math.floor(bound * random.next() * random.next());
}

function normal(random) {
  return Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
}

function logNormal(random, mu, sigma) {
  return Math.exp(mu + sigma * normal(random));
}

const cents = (value) => Math.round(value * 100) / 100;
const micro = (value) => Math.round(value * 1e6) / 1e6;
const hex = (random) => random.nextUint32().toString(16).padStart(8, "0");
