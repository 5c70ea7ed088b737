/** `streamgauge detect`: the detector over any metric matrix in a CSV file. One JSON line per row, nothing on an error. */
import { FALSE_ALARMS_MAX, type SecondSeasonProgress } from "../anomaly/detector.ts";
import { detectMatrix, type MatrixRow } from "../anomaly/matrix.ts";
import { seriesIndex } from "../anomaly/series-index.ts";
import { parseDuration } from "../config/duration.ts";
import { quoted } from "../config/quoted.ts";
import { EXIT_CODES, StreamgaugeError } from "../core/errors.ts";
import type { Io } from "./io.ts";
import { inputFailure, type MetricCsv, readMetricCsv } from "./metric-csv.ts";

export interface DetectArgs {
  /** First column time, then one column per metric; an empty cell is missing. See `readMetricCsv`. */
  readonly file: string;
  readonly season?: number;
  readonly warmup?: number;
  /** `1 per 30` rows, or `1 per 30d`. */
  readonly falseAlarms?: string;
}

export async function detect(args: DetectArgs, io: Io): Promise<number> {
  const budget = args.falseAlarms === undefined ? undefined : budgetOf(args.falseAlarms);
  const table = await readMetricCsv(args.file);
  const { indices, stepMs } = placed(args.file, table, () => seriesIndex(table.rows.map(({ time }) => time)));
  const rows: MatrixRow[] = table.rows.map(({ time, values }, row) => ({ time, index: indices[row] ?? row, values }));
  const options = {
    season: args.season ?? "auto",
    warmup: args.warmup ?? "auto",
    ...(stepMs === undefined ? {} : { windowMs: stepMs }),
    ...(budget === undefined ? {} : { falseAlarms: budget(stepMs) }),
  } as const;
  let judged = 0;
  const verdicts = detectMatrix(rows, table.names, options);
  let step = verdicts.next();
  for (; step.done !== true; step = verdicts.next()) {
    if (step.value.score !== null) judged++;
    io.stdout(JSON.stringify(step.value));
  }
  for (const note of notesOf(table, judged, step.value)) io.stderr(`note: ${args.file}: ${note}`);
  return EXIT_CODES.ok;
}

const FALSE_ALARMS = /^([1-9]\d{0,4}) per (?:([1-9]\d{0,5})|(\d{1,6}(?:ms|s|m|h|d)))$/;

/** Gives the chance of a false alarm per row, from the milliseconds between two of them. */
function budgetOf(text: string): (stepMs: number | undefined) => number {
  const [, count, rows, span] = FALSE_ALARMS.exec(text.trim()) ?? [];
  const perMs = span === undefined ? undefined : parseDuration(span);
  const refuse = (reason: string) =>
    new StreamgaugeError("SG_CONFIG", `--false-alarms: ${reason}, got ${quoted(text)}`);
  if (count === undefined || perMs === 0) throw refuse('expected a budget such as "1 per 30" rows or "1 per 30d"');
  return (stepMs) => {
    if (perMs !== undefined && stepMs === undefined)
      throw refuse("expected rows, since the first column holds no times");
    const rate = Number(count) / (perMs === undefined ? Number(rows) : perMs / (stepMs ?? 1));
    if (rate > FALSE_ALARMS_MAX) throw refuse(`expected at most ${100 * FALSE_ALARMS_MAX} in 100 rows`);
    return rate;
  };
}

/** Columns without a number that are named. */
const NAMED_MAX = 3;

/** What a person should know who wonders why nothing is found. */
function notesOf({ names, rows }: MetricCsv, judged: number, second: SecondSeasonProgress | undefined): string[] {
  const empty = names.flatMap((name, column) =>
    rows.every(({ values }) => Number.isNaN(values[column])) ? [`column ${column + 2} (${quoted(name)})`] : [],
  );
  if (empty.length === names.length) return ["no cell holds a number: there is nothing to judge"];
  const notes: string[] = [];
  if (empty.length > 0) {
    const more = empty.length > NAMED_MAX ? ` and ${(empty.length - NAMED_MAX).toLocaleString("en-US")} more` : "";
    notes.push(`no number in any row: ${empty.slice(0, NAMED_MAX).join(", ")}${more}`);
  }
  if (second !== undefined && second.metrics > 0) {
    const columns = `${second.metrics} of ${names.length} columns`;
    notes.push(`beside a season of ${second.firstWindows} rows there is one of a ${second.name}, for ${columns}`);
  }
  if (judged === 0) notes.push("no row was judged: all were learned from first, see --warmup and --season");
  return notes;
}

/** Turns "row 3" of the series into a line of the file, and says which column. */
function placed<T>(file: string, { timeName, rows }: MetricCsv, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof StreamgaugeError)) throw error;
    const [, row, reason] = /\brow (\d+): (.*)$/s.exec(error.message) ?? [];
    if (row === undefined || reason === undefined) throw error;
    const said = reason.replace(/\brow (\d+)$/, (_, other: string) => `line ${rows[Number(other) - 1]?.line}`);
    throw inputFailure(file, rows[Number(row) - 1]?.line, `column 1 (${quoted(timeName)}): ${said}`, error);
  }
}
