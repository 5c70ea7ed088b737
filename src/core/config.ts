/** The configuration after parsing: every default filled in, durations in milliseconds. */
import type { CalendarEntry } from "./calendar.ts";
import type { Impact, SeverityMatrix } from "./severity.ts";

export type ValuePolicy = "show" | "hash" | "hide";

export interface TimeConfig {
  /** Path of the event time; absent: the broker's timestamp. */
  readonly field?: string;
  /** How far behind the newest event an event may be before its window closes. @default 2m */
  readonly latenessMs: number;
  /** A caught-up partition without records for this long no longer holds the watermark. @default 1m */
  readonly idleAfterMs: number;
  /** An incident of streamgauge itself after this long without a delta of a partition. @default 5m */
  readonly unheardAfterMs: number;
  /** Further than this beyond the broker's timestamp is `future`. @default 1h */
  readonly maxAheadMs: number;
  /** Absent: one day or 10 windows, whichever is less. */
  readonly reviseForMs?: number;
}

/** Every size is a whole number of minutes, hours or days; days follow the time zone. */
export interface WindowsConfig {
  /**
   * Ascending, milliseconds, each a multiple of the one before; a size of whole days counts calendar days.
   * @default 1h
   */
  readonly sizesMs: readonly number[];
  /** IANA name. @default "UTC" */
  readonly timezone: string;
}

/** One slice per value of a field, named `<name>=<value>`. */
export interface SliceByConfig {
  readonly by: string;
  /** @default the path */
  readonly name: string;
  /** Most values kept; the rest is `<name>=other`. @default 50 */
  readonly limit: number;
}

export interface DetectConfig {
  /** Windows per season; `auto` chooses from the size: 7 for a day, 24 for an hour or less … */
  readonly season: number | "auto";
  /** Windows before the first verdict. */
  readonly warmup: number | "auto";
  /** Most false alarms over all sizes and slices of the dataset, in event time. @default 1 per 30 days */
  readonly falseAlarms?: FalseAlarms;
  /** Days and times that are known to be unlike others, in the zone of the windows. @default none */
  readonly calendar?: readonly CalendarEntry[];
}

export interface FalseAlarms {
  readonly count: number;
  readonly perMs: number;
}

/** One in 30 days. */
export const FALSE_ALARMS_DEFAULT: FalseAlarms = { count: 1, perMs: 30 * 86_400_000 };

/** Two fields whose numbers are compared, as they are named in metrics. */
export type PairPaths = readonly [first: string, second: string];

/** Pairs of a dataset: 64 cost about as much time as ten fields. */
export const PAIRS_MAX = 64;

export interface FieldConfig {
  /** @default the dataset's `valuesDefault` */
  readonly values?: ValuePolicy;
  /** @default that of the dataset */
  readonly impact?: Impact;
}

export interface DatasetConfig {
  readonly topic: string;
  /** What it costs when the data is wrong. @default "medium" */
  readonly impact?: Impact;
  readonly time: TimeConfig;
  readonly windows: WindowsConfig;
  readonly slices: readonly SliceByConfig[];
  /** By path; patterns are not allowed. */
  readonly fields: ReadonlyMap<string, FieldConfig>;
  /** At most `PAIRS_MAX`. Absent: those whose names say that they have one unit. */
  readonly pairs?: readonly PairPaths[];
  /** For fields not named. */
  readonly valuesDefault: ValuePolicy;
  readonly detect: DetectConfig;
  /** Absent: refused records are only counted. */
  readonly quarantine?: { readonly topic: string };
  /** Header of the records whose value says who produced them. @default nobody asks */
  readonly producerHeader?: string;
  /** Event time or wall time between flushes. @default 5s */
  readonly flushEveryMs: number;
  /** Avro schema (text) of recorded files that carry none. */
  readonly schema?: string;
}

export interface AlertsConfig {
  /** Clean windows, of the size that opened the incident, before it is resolved. @default 1 */
  readonly resolveAfter: number;
  /** @default `SEVERITY_MATRIX` */
  readonly severity?: SeverityMatrix;
}

/** PEM texts, as they stand in `${file:…}`; present at all: TLS is on. */
export interface TlsConfig {
  /** Certificates of the authorities that are trusted; absent: those that Node trusts. */
  readonly ca?: string;
  /** Our own certificate and key (mTLS): both or none. */
  readonly cert?: string;
  readonly key?: string;
  readonly passphrase?: string;
  /** Name that the server's certificate must have; absent: the host's. */
  readonly serverName?: string;
}

export type SaslConfig =
  | {
      readonly mechanism: "plain" | "scram-sha-256" | "scram-sha-512";
      readonly username: string;
      readonly password: string;
    }
  /** Client credentials grant (RFC 6749 §4.4); the token is fetched anew at 80 % of its life. */
  | {
      readonly mechanism: "oauthbearer";
      readonly tokenUrl: string;
      readonly clientId: string;
      readonly clientSecret: string;
      readonly scope?: string;
    };

export interface KafkaConfig {
  readonly brokers: readonly string[];
  /** Consumer groups are `<group>.profiler`, `<group>.judge` and `<group>.sink.<name>`. @default "streamgauge" */
  readonly group: string;
  /** The library that reads and commits; node-rdkafka is installed by the user. @default "kafkajs" */
  readonly client?: "kafkajs" | "node-rdkafka";
  readonly tls?: TlsConfig;
  readonly sasl?: SaslConfig;
}

export interface RegistryConfig {
  /** Base URL of the Confluent API; a path is kept (`http://host/apis/ccompat/v7`). */
  readonly url: string;
  readonly auth?:
    | { readonly kind: "basic"; readonly username: string; readonly password: string }
    | { readonly kind: "bearer"; readonly token: string };
  readonly tls?: TlsConfig;
  /** Directory in which schema texts are kept over restarts; absent: in memory only. */
  readonly cacheDirectory?: string;
}

export type SinkConfig =
  | { readonly kind: "console" }
  | { readonly kind: "file"; readonly directory: string }
  | {
      /** `/metrics`, `/livez`, `/readyz`. */
      readonly kind: "prometheus";
      /** @default "127.0.0.1" */
      readonly host: string;
      /** @default 9464 */
      readonly port: number;
      /** Series per metric; what is beyond is counted in one series with `overflow="true"`. @default 2000 */
      readonly maxSeries: number;
    }
  | {
      readonly kind: "postgres";
      readonly url: string;
      /** @default "streamgauge" */
      readonly schema: string;
      readonly tls?: TlsConfig;
    };

/** Where a partition without a committed offset begins. */
export type StartFrom = "earliest" | "latest" | { readonly agoMs: number };

export interface Config {
  readonly deployment: string;
  /** Present for `run` and `doctor`. */
  readonly kafka?: KafkaConfig;
  readonly registry?: RegistryConfig;
  /** @default "latest" */
  readonly startFrom: StartFrom;
  /** Longest time between two checkpoints of the judge. @default 30s */
  readonly checkpointEveryMs: number;
  readonly topics: { readonly prefix: string };
  readonly alerts: AlertsConfig;
  readonly datasets: readonly DatasetConfig[];
  readonly sinks: readonly SinkConfig[];
}
