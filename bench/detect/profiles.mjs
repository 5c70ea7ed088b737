// A window's rows as the judge meets them: through the reader program and the profiles of the product, without the log and the stages
// around them, to the metrics of the window by itself and to what it is compared by.
import { contentsOf } from "../../dist/drift/window-contents.js";
import { BatchProfiler } from "../../dist/profiles/batch-profiler.js";
import { metricsOf } from "../../dist/profiles/metrics.js";
import { Profile } from "../../dist/profiles/profile.js";
import { createAvroReader } from "../../dist/schemas/avro-reader.js";
import { rowWriter, schemaOf } from "./columns.mjs";

const BATCH_ROWS = 1024;
const SCHEMA_ID = 1;
/** Of the random choices of the sketches; any constant will do. */
const PROFILE_SEED = 0x6a756467;

/** As `DatasetJudge` has them; `names` are those of one stream. */
export function metricOptions({ columns, policyOf }, names) {
  const eventTimeField = columns.find(({ isEventTime }) => isEventTime)?.path;
  return { names, policyOf, ...(eventTimeField && { eventTimeField }) };
}

/** Gives the function from rows to `{ own, contents }`. */
export function windowProfiler(table, options) {
  const { columns, nullableGroups, pairs, policyOf } = table;
  const write = rowWriter(columns, nullableGroups);
  const reader = createAvroReader(schemaOf("Row", columns, nullableGroups));
  const batch = reader.createBatch(BATCH_ROWS);
  const profiler = new BatchProfiler({ labels: { policyOf, hashLabel: (text) => text }, pairs });
  const timeColumn = columns.findIndex(({ isEventTime }) => isEventTime);
  const facts = {
    schemaId: SCHEMA_ID,
    invalidReasons: new Uint8Array(BATCH_ROWS),
    eventTimesMs: new Float64Array(BATCH_ROWS),
    brokerTimesMs: new Float64Array(BATCH_ROWS),
  };
  const groupOfRow = new Int32Array(BATCH_ROWS);
  const takeBatch = (profile) => {
    profiler.begin(batch, facts);
    profiler.addGroups(groupOfRow, [profile]);
    profiler.end();
    batch.reset();
  };
  return (rows) => {
    const profile = Profile.empty(PROFILE_SEED);
    for (const row of rows) {
      const bytes = write(row);
      // As in the demo, the broker's timestamp is the event time.
      facts.eventTimesMs[batch.rowCount] = row[timeColumn];
      facts.brokerTimesMs[batch.rowCount] = row[timeColumn];
      const outcome = reader.read(batch, bytes, 0, bytes.length);
      if (outcome !== "ok") throw new Error(`Cannot read a row of ${table.name}: ${outcome}`);
      if (batch.isFull) takeBatch(profile);
    }
    if (batch.rowCount > 0) takeBatch(profile);
    return { own: metricsOf(profile, options), contents: contentsOf(profile) };
  };
}
