/**
 * The JSON Schema of the configuration file: the one source of its keys, for validation, for the error messages and
 * for editors.
 */
import { DATASET_KEYS } from "./schema-dataset.ts";
import type { KeySchema } from "./schema-parts.ts";
import { duration, mapping, NAME_PATTERN, notYet, text, wholeNumber } from "./schema-parts.ts";

/** The same text for the same version: written to a file for editors. Ends with a newline. */
export function printSchema(): string {
  return `${JSON.stringify(CONFIG_SCHEMA, null, 2)}\n`;
}

const KAFKA: KeySchema = {
  description: "How to reach Kafka.",
  examples: [{ brokers: ["localhost:9092"], group: "streamgauge" }],
  ...mapping(
    {
      brokers: {
        type: "array",
        minItems: 1,
        maxItems: 100,
        title: "a list of brokers such as [localhost:9092]",
        description: "Brokers to ask first.",
        examples: [["localhost:9092"]],
        items: {
          type: "string",
          pattern: "^[^\\s:/]+:[0-9]{1,5}$|^\\[[0-9A-Fa-f:.]+\\]:[0-9]{1,5}$",
          title: "host:port such as localhost:9092",
          description: "Host and port of one broker.",
          examples: ["localhost:9092"],
        },
      },
      group: text("Beginning of the names of both consumer groups.", "a group name such as streamgauge", "streamgauge"),
    },
    ["brokers"],
  ),
};

const REGISTRY: KeySchema = {
  description: "How to reach the schema registry.",
  examples: [{ url: "http://localhost:8081" }],
  ...mapping(
    {
      url: {
        type: "string",
        pattern: "^https?://[^\\s]+$",
        title: "a URL such as http://localhost:8081",
        description: "Address of the schema registry.",
        examples: ["http://localhost:8081"],
      },
    },
    ["url"],
  ),
};

const SINK_KINDS: Readonly<Record<string, KeySchema>> = {
  console: {
    title: "an empty mapping {}",
    description: "Alerts as lines of text.",
    examples: [{}],
    ...mapping({}),
    type: ["object", "null"],
  },
  file: {
    description: "Files metrics.jsonl, verdicts.jsonl and alerts.jsonl.",
    examples: [{ directory: "out" }],
    ...mapping({ directory: text("Directory of the three files.", "a directory such as out", "out") }, ["directory"]),
  },
  prometheus: notYet({
    description: "Metrics for Prometheus to scrape.",
    examples: [{ port: 9464 }],
    ...mapping({ port: wholeNumber("Port to listen on.", 0, 65_535, 9_464) }, ["port"]),
  }),
  postgres: notYet({
    description: "Tables in PostgreSQL.",
    examples: [{ url: "postgres://localhost/streamgauge" }],
    ...mapping(
      {
        url: text("Connection.", "a URL such as postgres://localhost/streamgauge", "postgres://localhost/streamgauge"),
      },
      ["url"],
    ),
  }),
  webhook: notYet({
    description: "Alerts as HTTP requests.",
    examples: [{ url: "https://alerts.example/hook" }],
    ...mapping({ url: text("Address.", "a URL such as https://alerts.example/hook", "https://alerts.example/hook") }, [
      "url",
    ]),
  }),
};

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
    startFrom: notYet({
      type: "string",
      pattern: "^(earliest|latest|-[0-9]{1,6}(s|m|h|d))$",
      title: "earliest, latest or a duration back such as -7d",
      description: "Where to begin when nothing is committed yet.",
      examples: ["latest", "earliest", "-7d"],
    }),
    checkpointEvery: notYet(duration("Longest time between two checkpoints of the judge.", "30s", true)),
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
      description: "How incidents begin and end.",
      examples: [{ resolveAfter: 1 }],
      ...mapping({
        resolveAfter: wholeNumber(
          "Clean windows, of the size that opened the incident, before it is resolved. Default: 1.",
          1,
          1_000,
          1,
        ),
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
