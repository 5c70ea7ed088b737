/**
 * The JSON Schema of the configuration file: the one source of its keys, for validation, for the error messages and
 * for editors.
 */
import { START_FROM_PATTERN } from "./duration.ts";
import { KAFKA, REGISTRY } from "./schema-connections.ts";
import { DATASET_KEYS } from "./schema-dataset.ts";
import type { KeySchema } from "./schema-parts.ts";
import { duration, mapping, NAME_PATTERN, notYet, wholeNumber } from "./schema-parts.ts";
import { SEVERITY_ROWS } from "./schema-severity.ts";
import { SINK_KINDS } from "./schema-sinks.ts";

/** The same text for the same version: written to a file for editors. Ends with a newline. */
export function printSchema(): string {
  return `${JSON.stringify(CONFIG_SCHEMA, null, 2)}\n`;
}

/** The whole file. */
export const CONFIG_SCHEMA: KeySchema = {
  $schema: "http://json-schema.org/draft-07/schema#",
  title: "a streamgauge configuration",
  description: "Configuration of streamgauge: which topics to watch, in which windows, and where the results go.",
  examples: [{ datasets: [{ topic: "trips" }] }],
  ...mapping({
    deployment: {
      type: "string",
      pattern: NAME_PATTERN,
      title: "a name of letters, digits, ., _ and - such as prod",
      default: "default",
      description: "Name of this deployment; part of transactional ids and of the source of alerts. Default: default.",
      examples: ["prod"],
    },
    kafka: KAFKA,
    registry: REGISTRY,
    topics: {
      description: "Topics that streamgauge writes.",
      examples: [{ prefix: "streamgauge." }],
      ...mapping({
        prefix: {
          type: "string",
          pattern: NAME_PATTERN,
          title: "the beginning of a topic name such as streamgauge.",
          default: "streamgauge.",
          description: "Beginning of the names of all topics that streamgauge writes. Default: streamgauge.",
          examples: ["streamgauge."],
        },
      }),
    },
    startFrom: {
      anyOf: [{ enum: ["earliest", "latest"] }, { type: "string", pattern: START_FROM_PATTERN }],
      title: "earliest, latest or a duration back such as -7d",
      default: "latest",
      description: "Where a partition begins for which nothing is committed yet. Default: latest.",
      examples: ["latest", "earliest", "-7d"],
    },
    checkpointEvery: {
      ...duration("Longest time between two checkpoints of the judge. Default: 30s.", "30s", true),
      default: "30s",
    },
    memory: notYet({
      description: "Memory of profiles and open windows, per process.",
      examples: [{ budget: "384MB" }],
      ...mapping({
        budget: {
          type: "string",
          pattern: "^[1-9][0-9]{0,5}(kB|MB|GB)$",
          title: "an amount such as 384MB",
          description: "Most memory of all profiles; what is beyond it is counted as other.",
          examples: ["384MB"],
        },
      }),
    }),
    alerts: {
      description: "How incidents end, and how severe they are.",
      examples: [{ resolveAfter: 1 }],
      ...mapping({
        resolveAfter: wholeNumber(
          "Clean windows, of the size that opened the incident, before it is resolved. Default: 1.",
          1,
          1_000,
          1,
        ),
        severity: SEVERITY_ROWS,
      }),
    },
    datasets: {
      type: "array",
      minItems: 1,
      maxItems: 200,
      title: 'a list of at least one dataset, each beginning with "- "',
      description: "What to watch, one item per topic.",
      examples: [[{ topic: "trips" }]],
      items: {
        description: "One topic to watch.",
        examples: [{ topic: "trips", windows: { sizes: ["1h"] } }],
        ...mapping(DATASET_KEYS, ["topic"]),
      },
    },
    sinks: {
      type: "array",
      maxItems: 20,
      title: 'a list of sinks, each beginning with "- "',
      description: "Where metrics, verdicts and alerts go besides the command's own output. Default: none.",
      examples: [[{ console: {} }, { file: { directory: "out" } }]],
      items: {
        description: "One sink: its kind, and below it its options.",
        examples: [{ console: {} }, { file: { directory: "out" } }],
        ...mapping(SINK_KINDS),
        title: "one sink per item such as {console: {}}",
        minProperties: 1,
        maxProperties: 1,
      },
    },
  }),
  required: ["datasets"],
};
