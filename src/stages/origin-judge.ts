/**
 * Says of an alarm of the whole where it comes from, and remembers for that what is usual: the figures of the windows of the smallest size
 * that did not alarm, each new one counting a twentieth. Nothing of it goes into a score.
 */
import type { DatasetConfig } from "../core/config.ts";
import { metricName } from "../core/metric.ts";
import type { Cause, Concentration, LogPosition } from "../core/verdict.ts";
import { concentrationsOf } from "../drift/concentration.ts";
import type { FieldNames } from "../profiles/field-names.ts";
import { Origins, type RefusedCount } from "../profiles/origins.ts";
import { readSealed, sealed } from "../profiles/sealed-bytes.ts";
import { ByteWriter } from "../sketches/bytes.ts";
import type { Judged } from "./series-judge.ts";

/** Of what is usual, with each window: half of it is of the last 14. */
const KEPT = 0.95;
/** Of an alert. */
const MOST_EVIDENCE = 10;

/** Where what is wrong comes from. */
export interface Traced {
  readonly concentration: readonly Concentration[];
  /** Offsets of events that show it. */
  readonly evidence: readonly LogPosition[];
}

const NOTHING: Traced = { concentration: [], evidence: [] };

/** Of metrics that count records that were not simply valid. */
const COUNTED: Readonly<Record<string, RefusedCount>> = {
  invalid_share: "invalid",
  undecodable_share: "undecodable",
  tombstone_share: "tombstone",
  future_share: "future",
};

export class OriginJudge {
  readonly #topic: string;
  readonly #timeField: string | undefined;
  readonly #producerHeader: string | undefined;
  readonly #smallestMs: number;
  #usual = new Origins();
  #windows = 0;
  /** Since `write()`. */
  #isChanged = false;

  constructor({ topic, time, windows, producerHeader }: DatasetConfig) {
    this.#producerHeader = producerHeader;
    this.#topic = topic;
    this.#timeField = time.field;
    this.#smallestMs = windows.sizesMs[0]!;
  }

  get isChanged(): boolean {
    return this.#isChanged;
  }

  /** A window of the whole that was judged first. `names`: of the dataset. */
  judge(judged: Judged, sizeMs: number, origins: Origins, names: FieldNames): Traced {
    const { score, kind, metrics } = judged;
    if (score.outcome === "fail") {
      // Where nothing came there is nothing to compare, and what is late is not there yet.
      if (kind === "no-data" || kind === "late") return NOTHING;
      const concentration = concentrationsOf({
        causes: score.causes,
        window: origins,
        usual: this.#usual,
        usualWindows: this.#windows,
        names,
        metric: (id) => {
          const value = metrics.find((metric) => metric.id === id)?.value;
          return typeof value === "number" ? value : undefined;
        },
      });
      return {
        concentration: concentration.map((one) => this.#named(one)),
        evidence: this.#evidence(score.causes, concentration, origins),
      };
    }
    if (sizeMs === this.#smallestMs && !judged.partial && !judged.learned.isSettling) this.#learn(origins);
    return NOTHING;
  }

  /** A producer as the header has it: service=checkout. */
  #named(one: Concentration): Concentration {
    if (one.dimension !== "producer" || one.value === null) return one;
    return { ...one, value: `${this.#producerHeader ?? "producer"}=${one.value}` };
  }

  /** Refused records, where they are among the causes: of the partitions that are named first. */
  #evidence(causes: readonly Cause[], concentration: readonly Concentration[], origins: Origins): LogPosition[] {
    const kinds = new Set(causes.flatMap((cause) => (cause.share > 0 ? (this.#refusedBy(cause) ?? []) : [])));
    if (kinds.size === 0) return [];
    const isNamed = (partition: string) =>
      concentration.some(({ dimension, value }) => dimension === "partition" && value === partition);
    const partitions = origins.values("partition").map(([partition]) => partition);
    const order = partitions.sort((a, b) => Number(isNamed(b)) - Number(isNamed(a)) || Number(a) - Number(b));
    const places = order.flatMap((partition) =>
      [...kinds].flatMap((kind) =>
        (origins.examplesOf(partition)?.get(kind) ?? []).map((offset) => {
          return { topic: this.#topic, partition: Number(partition), offset };
        }),
      ),
    );
    return places.slice(0, MOST_EVIDENCE);
  }

  #refusedBy({ metric, fields }: Cause): RefusedCount | undefined {
    const name = metricName(metric);
    // Rows without an event time are invalid.
    if (this.#timeField !== undefined && fields[0] === this.#timeField && name.endsWith("_rate")) return "invalid";
    return COUNTED[name];
  }

  #learn(origins: Origins): void {
    this.#usual.decay(KEPT);
    this.#usual.merge(origins);
    this.#windows = this.#windows * KEPT + 1;
    this.#isChanged = true;
  }

  write(): Uint8Array {
    const writer = new ByteWriter(16_384);
    writer.f64(this.#windows);
    this.#usual.write(writer);
    this.#isChanged = false;
    return sealed(writer);
  }

  /** @throws {StreamgaugeError} `SG_CORRUPT` */
  static read(dataset: DatasetConfig, bytes: Uint8Array): OriginJudge {
    return readSealed("usual origins", bytes, (reader) => {
      const judge = new OriginJudge(dataset);
      judge.#windows = reader.f64();
      judge.#usual = Origins.read(reader);
      return judge;
    });
  }
}
