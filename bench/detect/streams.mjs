// A table's windows through the detector, in the two ways that a fault can stand in the history. What is done with a window is what
// `SeriesJudge` does: its own metrics and those against the reference are scored, then learned with the score; a window that fails does not
// enter the reference before it is a new level.
//
// Beside: one stream of clean windows; at a window its faulted versions are scored, then the clean one is scored and learned.
// Left in: the faulted window stands in the place of the clean one, and is learned as what it was taken for.
import { IncidentTracker } from "../../dist/alerts/incident-tracker.js";
import { createDetector, restoreDetector } from "../../dist/anomaly/detector.js";
import { ReferenceWindows } from "../../dist/drift/reference.js";
import { FieldNames } from "../../dist/profiles/field-names.js";
import { createBaselines } from "./baselines.mjs";
import { blameOf } from "./figures.mjs";
import { streamsOf } from "./placement.mjs";
import { metricOptions } from "./profiles.mjs";
import { VectorSpace } from "./vectors.mjs";

/** The product's own lane of the form that Uber published. */
const PCA_LANE = "pca";
const CAUSES_TOLD = 3;
/** The product takes the first window of a stream for partial, neither scores nor learns it: with that, all scores are those of the demo. */
const FIRST_WHOLE = 1;

class Stream {
  #options;
  #placeOf;
  #detector;
  #reference;

  constructor({ options, placeOf, detector, reference }) {
    this.#options = options;
    this.#placeOf = placeOf;
    this.#detector = detector;
    this.#reference = reference;
  }

  /** Learns nothing. */
  judge({ index, startMs }, { own, contents }, falseAlarms) {
    const metrics = [...own, ...this.#reference.metrics(contents, this.#options)];
    const input = { index, ...this.#placeOf?.(startMs), ...(falseAlarms !== undefined && { falseAlarms }), metrics };
    return { input, score: this.#detector.scoreOne(input) };
  }

  learn({ contents }, { input, score }) {
    const learned = this.#detector.learnOne(input, score);
    if (score.outcome !== "fail" || learned.newLevels.length > 0) this.#reference.learn(contents);
    return learned;
  }

  copy() {
    const detector = restoreDetector(this.#detector.snapshot());
    return new Stream({ options: this.#options, placeOf: this.#placeOf, detector, reference: this.#reference.copy() });
  }
}

/** `detect`: options of `createDetector()` beside the table's own. */
export function runStreams(table, { windows, faults }, { ways, detect, withBaselines }) {
  const judged = windows.length - table.judgedFrom;
  const plan = ways.includes("left") ? streamsOf(faults, judged) : [];
  const space = withBaselines ? new VectorSpace() : undefined;
  const clean = runClean(table, windows, ways.includes("beside") ? faults : [], new Set(plan.map(firstWindow)), {
    detect,
    space,
  });
  const left = plan.map((stream) => runLeftIn(table, windows, stream, clean, space));
  return {
    judged,
    streams: plan.length,
    cleanStream: clean.clean,
    beside: { clean: clean.clean, faults: clean.faults },
    left: { clean: left.flatMap((run) => run.clean), faults: left.flatMap((run) => run.faults) },
  };
}

function firstWindow([{ window }]) {
  return window;
}

/** The clean stream, faults beside it; of its state copies before the windows of `copyAt`. */
function runClean(table, windows, faults, copyAt, { detect, space }) {
  const stream = newStream(table, detect);
  const baselines = space === undefined ? [] : createBaselines(table);
  // With the default of `alerts.resolveAfter`.
  const incidents = new IncidentTracker({ dataset: table.name, resolveAfter: 1 });
  const result = { clean: [], faults: [], copies: new Map(), vectors: [] };
  const byWindow = grouped(faults);
  for (const [at, window] of windows.entries()) {
    if (at < FIRST_WHOLE) continue;
    if (copyAt.has(at)) result.copies.set(at, stream.copy());
    for (const fault of byWindow.get(at) ?? []) {
      const verdict = stream.judge(window, fault);
      const faulted = space?.vectorOf(verdict.input.metrics, at);
      result.faults.push(faultResult(fault, verdict, scoresOf(baselines, window.index, faulted)));
    }
    const verdict = stream.judge(window, window);
    const vector = space?.vectorOf(verdict.input.metrics, at);
    const told = cleanResult(at, window, verdict, baselines, vector);
    const learned = stream.learn(window, verdict);
    const opened = incidents.update(tickOf(table, window, verdict, learned))?.state === "opened";
    if (at >= table.judgedFrom) result.clean.push({ ...told, opened });
    space?.learn(verdict.input.metrics, at);
    for (const baseline of baselines) baseline.learnOne(window.index, vector);
    result.vectors[at] = vector;
  }
  return result;
}

function newStream(table, detect) {
  return new Stream({
    options: metricOptions(table, new FieldNames()),
    placeOf: table.placeOf,
    detector: createDetector({ season: table.season, warmup: "auto", windowMs: table.sizeMs, ...detect }),
    reference: new ReferenceWindows(),
  });
}

/**
 * The clean windows of tables as slices of one data set, those of the same time together, as the judge's ticks. `falseAlarmsOf` a window
 * is asked before each; `tell` is given each tick.
 */
export function runTogether(tables, { detect, falseAlarmsOf, tell }) {
  const byStart = new Map();
  for (const { table, windows } of tables) {
    const stream = newStream(table, detect);
    for (const window of windows.slice(FIRST_WHOLE)) {
      byStart.set(window.startMs, [...(byStart.get(window.startMs) ?? []), { table, stream, window }]);
    }
  }
  for (const [startMs, slices] of [...byStart].sort(([a], [b]) => a - b)) {
    const falseAlarms = falseAlarmsOf(slices.length);
    const ticks = slices.map(({ table, stream, window }) => {
      const verdict = stream.judge(window, window, falseAlarms);
      return { slice: table.name, tick: tickOf(table, window, verdict, stream.learn(window, verdict)) };
    });
    const verdicts = ticks.flatMap(({ slice, tick }) => tick.verdicts.map((verdict) => ({ ...verdict, slice })));
    tell({ ...ticks[0].tick, startMs, verdicts });
  }
}

/** From the state that the clean stream had before the first fault, up to which the two are one. */
function runLeftIn(table, windows, faults, { clean, copies, vectors }, space) {
  const first = firstWindow(faults);
  // Several streams may begin with faults of one window.
  const stream = copies.get(first).copy();
  const baselines = space === undefined ? [] : createBaselines(table);
  const byWindow = new Map(faults.map((fault) => [fault.window, fault]));
  const result = { clean: clean.filter(({ window }) => window < first), faults: [] };
  for (const [at, window] of windows.entries()) {
    if (at < FIRST_WHOLE) continue;
    if (at < first) {
      for (const baseline of baselines) baseline.learnOne(window.index, vectors[at]);
      continue;
    }
    const fault = byWindow.get(at);
    const seen = fault ?? window;
    const verdict = stream.judge(window, seen);
    const vector = space?.vectorOf(verdict.input.metrics, at);
    if (fault !== undefined) result.faults.push(faultResult(fault, verdict, scoresOf(baselines, window.index, vector)));
    else result.clean.push(cleanResult(at, window, verdict, baselines, vector));
    stream.learn(seen, verdict);
    for (const baseline of baselines) baseline.learnOne(window.index, vector);
  }
  return result;
}

/** What the judge tells the incidents of a window. */
function tickOf({ sizeMs }, { startMs }, { score }, learned) {
  const { outcome, severity, causes } = score;
  const isJudged = outcome !== "unknown";
  const verdict = { slice: "all", alarm: outcome === "fail", judged: isJudged, score: score.score, severity, causes };
  return { sizeMs, startMs, endMs: startMs + sizeMs, revision: 0, verdicts: [{ ...verdict, ...learned }] };
}

function grouped(faults) {
  const byWindow = new Map();
  for (const fault of faults) byWindow.set(fault.window, [...(byWindow.get(fault.window) ?? []), fault]);
  return byWindow;
}

function scoresOf(baselines, index, vector) {
  return Object.fromEntries(baselines.map((baseline) => [baseline.name, baseline.scoreOne(index, vector)]));
}

function cleanResult(at, { index, startMs }, { score }, baselines, vector) {
  return { window: at, startMs, ...told(score), others: scoresOf(baselines, index, vector) };
}

function faultResult({ kind, share, draw, window, columns, rowsDamaged }, { score }, others) {
  return {
    kind,
    share,
    draw,
    window,
    columns,
    rowsDamaged,
    ...told(score),
    blame: blameOf(score.causes, columns),
    others,
  };
}

function told({ outcome, score, causes, lanes }) {
  return {
    alarm: outcome === "fail",
    // Absent only while a model warms up, which no judged window does.
    score: score ?? 0,
    pca: lanes.find(({ lane }) => lane === PCA_LANE)?.score ?? 0,
    causes: causes.slice(0, CAUSES_TOLD).map(({ fields, metric, share }) => ({ fields, metric, share })),
  };
}
