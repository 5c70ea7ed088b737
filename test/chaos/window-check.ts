/**
 * The windows as they must be: the oracle of the simulation takes the ledger's entries in the order in which they lie in
 * the profiles topic, with the input's own events of each range, and decides which event belongs where. Every closed
 * window is compared in its latest revision once it can be revised no more.
 */
import type { LedgerEntry } from "../../src/core/ledger.ts";
import { isoTime } from "../../src/core/text.ts";
import type { MetricsRecord } from "../../src/core/verdict.ts";
import type { LedgerCounts } from "../../src/core/window.ts";
import { createPaneClock } from "../../src/windows/panes.ts";
import { countsOf, ID_OPS, isRow } from "../windows/flushes.ts";
import { Oracle, type OracleWindow } from "../windows/oracle.ts";
import { RANK_ERROR, RankErrors, wrongFigures, wrongTop } from "./figures.ts";
import type { ChaosReading, CheckFigures, CheckOptions, InputEvent } from "./reading.ts";

/** Windows per season, as `detect.season: auto` gives it to windows of minutes: bounds how many empty ones are told. */
const SEASON_WINDOWS = 24;
/** So many quantiles tell whether their errors are as rare as is promised. */
const QUANTILES_ENOUGH = 1000;
const SHARE_BEYOND_MAX = 0.02;

export class WindowCheck {
  readonly #options: CheckOptions;
  readonly #oracle: Oracle;
  readonly #errors = new RankErrors();

  constructor(topic: string, options: CheckOptions) {
    this.#options = options;
    const { windowSizeMs, time, slice } = options;
    this.#oracle = new Oracle({
      dataset: topic,
      clock: createPaneClock({ sizesMs: [windowSizeMs] }),
      time,
      slices: [{ by: slice.field, name: slice.name, limit: 50 }],
      seasonWindows: () => SEASON_WINDOWS,
      ops: ID_OPS,
    });
  }

  take(entry: LedgerEntry, events: readonly InputEvent[]): void {
    this.#oracle.apply({ entry, events, panes: [] });
  }

  finish(
    { metrics, windows }: ChaosReading,
    findings: string[],
  ): Omit<CheckFigures, "events" | "deltas" | "repeats" | "overlaps"> {
    const latest = latestOf(metrics, findings);
    const summaries = new Map(windows.map((line) => [`${nameOf(line)}|${line.revision}`, line]));
    let compared = 0;
    const compare = (line: MetricsRecord, events: readonly InputEvent[], late: number) => {
      compared++;
      const wrong = this.#wrongLine(line, events, late);
      const summary = summaries.get(`${nameOf(line)}|${line.revision}`);
      for (const field of summary === undefined ? [] : this.#options.fields) {
        const texts = events.flatMap(({ values }) => (typeof values?.[field] === "string" ? [values[field]] : []));
        if (texts.length > 0)
          wrong.push(...wrongTop(summary?.fields[field]?.top, texts).map((one) => `${field}: ${one}`));
      }
      for (const one of wrong) findings.push(`${nameOf(line)} revision ${line.revision}: ${one}`);
    };
    const due = new Set<string>();
    for (const window of this.#oracle.windows.get(this.#options.windowSizeMs)!.values()) {
      if (window.state !== "closed") continue;
      const name = this.#windowName("all", window);
      due.add(name);
      const line = latest.get(name);
      if (line === undefined) {
        findings.push(`${name}: is missing in metrics, has ${window.events.length} events`);
      } else if (countsTwice(window.events as InputEvent[])) {
        if (!line.partial) findings.push(`${name}: events were counted twice, and it is not partial`);
      } else if (window.endMs + this.#options.time.reviseForMs <= this.#oracle.watermarkMs) {
        compare(line, window.events as InputEvent[], window.late);
        this.#compareSlices(window, latest, compare, findings);
      }
    }
    for (const [name, line] of latest) {
      if (line.slice === "all" && !due.has(name)) findings.push(`${name}: is told, but was never due`);
    }
    const { count, beyond, max } = this.#errors;
    if (count >= QUANTILES_ENOUGH && beyond / count > SHARE_BEYOND_MAX) {
      findings.push(`${beyond} of ${count} quantiles are wrong in rank by more than ${RANK_ERROR}`);
    }
    return {
      windows: compared,
      revisions: metrics.filter(({ revision }) => revision > 0).length,
      late: [...this.#oracle.late.values()].reduce((sum, events) => sum + events.length, 0),
      quantiles: count,
      rankErrorMax: max,
    };
  }

  #compareSlices(
    window: OracleWindow,
    latest: ReadonlyMap<string, MetricsRecord>,
    compare: (line: MetricsRecord, events: readonly InputEvent[], late: number) => void,
    findings: string[],
  ): void {
    const { field, name, values } = this.#options.slice;
    for (const value of values) {
      const own = (window.events as InputEvent[]).filter((event) => event.values?.[field] === value);
      const line = latest.get(this.#windowName(`${name}=${value}`, window));
      // What is late is told of the whole by the oracle; of a slice it is as it is told, inside of it.
      if (line !== undefined) compare(line, own, line.counts.late);
      else if (own.length > 0) {
        findings.push(
          `${this.#windowName(`${name}=${value}`, window)}: is missing in metrics, has ${own.length} events`,
        );
      }
    }
    const other = latest.get(this.#windowName(`${name}=other`, window));
    if (other !== undefined && other.counts.valid + other.counts.invalid > 0) {
      findings.push(`${nameOf(other)}: ${other.counts.consumed} events, all values have a place of their own`);
    }
  }

  #wrongLine({ counts, metrics }: MetricsRecord, events: readonly InputEvent[], late: number): string[] {
    const wanted = countsOf(events);
    wanted.late = late;
    wanted.consumed += late;
    const wrong = (Object.keys(wanted) as (keyof LedgerCounts)[])
      .filter((name) => counts[name] !== wanted[name])
      .map((name) => `${counts[name]} ${name}, by the input ${wanted[name]}`);
    const rows = events.flatMap((event) => (isRow(event) && event.values !== undefined ? [event.values] : []));
    wrong.push(...wrongFigures(metrics, rows, this.#options.fields, this.#errors));
    return wrong;
  }

  #windowName(slice: string, { startMs, endMs }: OracleWindow): string {
    return nameOf({ slice, windowStart: isoTime(startMs), windowEnd: isoTime(endMs) });
  }
}

/** Of a flush that overlaps, what was too late to change a window is not among them. */
function countsTwice(events: readonly InputEvent[]): boolean {
  return new Set(events.map(({ partition, offset }) => `${partition}/${offset}`)).size < events.length;
}

/** The newest revision of each window and slice. */
function latestOf(lines: readonly MetricsRecord[], findings: string[]): Map<string, MetricsRecord> {
  const latest = new Map<string, MetricsRecord>();
  for (const line of lines) {
    const name = nameOf(line);
    const before = latest.get(name)?.revision ?? -1;
    if (line.revision > before + 1) findings.push(`${name}: revision ${line.revision} after ${before}`);
    if (line.revision > before) latest.set(name, line);
  }
  return latest;
}

function nameOf({ slice, windowStart, windowEnd }: Pick<MetricsRecord, "slice" | "windowStart" | "windowEnd">): string {
  return `${slice} ${windowStart}/${windowEnd}`;
}
