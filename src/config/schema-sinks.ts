/** The kinds of sinks and their keys. */
import { tls } from "./schema-connections.ts";
import type { KeySchema } from "./schema-parts.ts";
import { mapping, notYet, text, wholeNumber } from "./schema-parts.ts";

export const SINK_KINDS: Readonly<Record<string, KeySchema>> = {
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
  prometheus: {
    description: "Metrics for Prometheus to scrape at /metrics.",
    examples: [{ port: 9464 }],
    ...mapping({
      host: {
        ...text("Address to listen on. Default: 127.0.0.1.", "an address such as 0.0.0.0", "127.0.0.1"),
        default: "127.0.0.1",
      },
      port: {
        ...wholeNumber("Port to listen on; 0 is any free one. Default: 9464.", 0, 65_535, 9_464),
        default: 9_464,
      },
      maxSeries: {
        ...wholeNumber("Most series of one metric; the rest is counted in one. Default: 2000.", 1, 1_000_000, 2_000),
        default: 2_000,
      },
    }),
    type: ["object", "null"],
  },
  postgres: {
    description: "Tables in PostgreSQL.",
    examples: [{ url: "postgres://localhost/streamgauge" }],
    "x-secret": "value",
    ...mapping(
      {
        url: {
          type: "string",
          pattern: "^postgres(ql)?://[^\\s]+$",
          title: "a URL such as postgres://localhost/streamgauge",
          description: "Connection; its password is shown nowhere.",
          examples: ["postgres://localhost/streamgauge"],
          "x-secret": "value",
        },
        schema: {
          type: "string",
          pattern: "^(?!pg_)[a-z_][a-z0-9_]{0,62}$",
          title: "a schema name of small letters, digits and _ such as streamgauge",
          default: "streamgauge",
          description: "Schema of the tables; created if need be. Default: streamgauge.",
          examples: ["streamgauge"],
        },
        tls: tls("Encrypts the connection, and may show our own certificate."),
      },
      ["url"],
    ),
  },
  webhook: notYet({
    description: "Alerts as HTTP requests.",
    examples: [{ url: "https://alerts.example/hook" }],
    ...mapping({ url: text("Address.", "a URL such as https://alerts.example/hook", "https://alerts.example/hook") }, [
      "url",
    ]),
  }),
};
