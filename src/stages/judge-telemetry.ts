/** What the judge counts of one dataset. */
import type { BudgetFigures } from "../alerts/alarm-history.ts";
import { FEEDBACK_LABELS } from "../core/feedback.ts";
import type { Counter, Histogram, Reading, Telemetry } from "../core/telemetry.ts";
import type { TrackerEvent } from "../windows/window-tracker.ts";

/** What is read off the windows when somebody looks. */
export interface WindowsView {
  readonly openWindows: number;
  readonly unheardPartitions: number;
  readonly watermarkMs: number | undefined;
}

/** What is asked when somebody looks. */
export interface JudgeViews {
  readonly windows: () => WindowsView;
  readonly budget: () => BudgetFigures;
  /** Of the training on the past, [0, 1]. */
  readonly trainedShare: () => number;
}

export class JudgeTelemetry {
  readonly #telemetry: Telemetry;
  readonly #duration: Histogram;
  readonly #counters: Readonly<Record<"closed" | "revised" | "gap" | "overlap" | "reset" | "replayed", Counter>>;
  readonly #readings: readonly Reading[];

  constructor(telemetry: Telemetry, dataset: string, { windows: view, budget, trainedShare }: JudgeViews) {
    this.#telemetry = telemetry;
    this.#duration = telemetry.histogram("streamgauge_judge_apply_duration_seconds", { dataset });
    const windows = (kind: string) => telemetry.counter("streamgauge_windows_closed_total", { dataset, kind });
    const breaks = (kind: string) => telemetry.counter("streamgauge_ledger_breaks_total", { dataset, kind });
    this.#counters = {
      closed: windows("closed"),
      revised: windows("revised"),
      gap: breaks("gap"),
      overlap: breaks("overlap"),
      reset: breaks("reset"),
      replayed: telemetry.counter("streamgauge_replayed_flushes_total", { dataset }),
    };
    this.#readings = [
      telemetry.read("streamgauge_open_windows", { dataset }, () => view().openWindows),
      telemetry.read("streamgauge_unheard_partitions", { dataset }, () => view().unheardPartitions),
      telemetry.read("streamgauge_watermark_lag_seconds", { dataset }, () => {
        const { watermarkMs } = view();
        // There is none before the first rows, nor after the end of everything.
        if (watermarkMs === undefined || !Number.isFinite(watermarkMs)) return undefined;
        return (telemetry.clock.nowMs() - watermarkMs) / 1000;
      }),
      telemetry.read("streamgauge_training_ratio", { dataset }, trainedShare),
      telemetry.read("streamgauge_budget_spent", { dataset }, () => budget().spent),
      telemetry.read("streamgauge_budget_tolerated", { dataset }, () => budget().tolerated),
      ...FEEDBACK_LABELS.map((feedback) =>
        telemetry.read("streamgauge_budget_called", { dataset, feedback }, () => budget().called[feedback]),
      ),
      telemetry.read("streamgauge_budget_realised_ratio", { dataset }, () => budget().realised),
    ];
  }

  /** Times `apply`, with what has its turn meanwhile. */
  async applied<T>(apply: () => Promise<T>): Promise<T> {
    const { clock } = this.#telemetry;
    const startMs = clock.monotonicMs();
    const result = await apply();
    this.#duration.observe((clock.monotonicMs() - startMs) / 1000);
    return result;
  }

  event(event: TrackerEvent<unknown>): void {
    const { closed, revised, gap, overlap, reset, replayed } = this.#counters;
    if (event.kind === "closed") (event.revision === 0 ? closed : revised).add(1);
    else if (event.kind === "offset-gap") gap.add(1);
    else if (event.kind === "offset-overlap") overlap.add(1);
    else if (event.kind === "offset-reset") reset.add(1);
    else if (event.kind === "replayed") replayed.add(1);
  }

  /** The partition was lost: what another process shows must not be shown here, too. */
  end(): void {
    for (const reading of this.#readings) reading.end();
  }
}
