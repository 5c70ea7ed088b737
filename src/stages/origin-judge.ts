/**
 * Says of an alarm of the whole where it comes from, and remembers for that what is usual: the figures of the windows of the smallest size
 * that did not alarm, each new one counting a twentieth. Nothing of it goes into a score.
 */
import type { DatasetConfig } from "../core/config.ts";
import type { Concentration } from "../core/verdict.ts";
import { concentrationsOf } from "../drift/concentration.ts";
import type { FieldNames } from "../profiles/field-names.ts";
import { Origins } from "../profiles/origins.ts";
import { readSealed, sealed } from "../profiles/sealed-bytes.ts";
import { ByteWriter } from "../sketches/bytes.ts";
import type { Judged } from "./series-judge.ts";

/** Of what is usual, with each window: half of it is of the last 14. */
const KEPT = 0.95;

export class OriginJudge {
  readonly #smallestMs: number;
  #usual = new Origins();
  #windows = 0;
  /** Since `write()`. */
  #isChanged = false;

  constructor({ windows }: DatasetConfig) {
    this.#smallestMs = windows.sizesMs[0]!;
  }

  get isChanged(): boolean {
    return this.#isChanged;
  }

  /** A window of the whole that was judged first. `names`: of the dataset. */
  judge(judged: Judged, sizeMs: number, origins: Origins, names: FieldNames): readonly Concentration[] {
    const { score, kind, metrics } = judged;
    if (score.outcome === "fail") {
      // Where nothing came there is nothing to compare, and what is late is not there yet.
      if (kind === "no-data" || kind === "late") return [];
      return concentrationsOf({
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
    }
    if (sizeMs === this.#smallestMs && !judged.partial && !judged.learned.isSettling) this.#learn(origins);
    return [];
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
