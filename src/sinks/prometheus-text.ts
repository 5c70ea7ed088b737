/**
 * The two text formats that Prometheus reads: its own, 0.0.4, and OpenMetrics 1.0.0.
 * Sources: "Exposition formats" of the Prometheus documentation; the OpenMetrics specification, sections "ABNF" and
 * "Overall structure". Where both allow several spellings, one that is right in both is written.
 */
import type { MetricSpec } from "../core/telemetry-table.ts";

/** What a scrape shows of one metric. */
export interface FamilyView {
  readonly name: string;
  readonly spec: MetricSpec;
  /** Counters and gauges: `labels` as they stand between the braces. */
  readonly samples: readonly { readonly labels: string; readonly value: number }[];
  readonly histograms: readonly HistogramView[];
}

export interface HistogramView {
  readonly labels: string;
  readonly bounds: readonly number[];
  /** Of each bucket by itself, the one up to +Inf last. */
  readonly counts: Float64Array;
  readonly sum: number;
}

export type ExpositionFormat = "text" | "openmetrics";

export const CONTENT_TYPES: Readonly<Record<ExpositionFormat, string>> = {
  text: "text/plain; version=0.0.4; charset=utf-8",
  openmetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8",
};

/** Longer label values are cut: a slice is named after a value of the data, which may be of any length. */
const MAX_LABEL_LENGTH = 1000;

export function exposition(families: readonly FamilyView[], format: ExpositionFormat): string {
  const lines: string[] = [];
  for (const family of families) {
    head(family, format, lines);
    for (const { labels, value } of family.samples) lines.push(`${family.name}${braced(labels)} ${numberText(value)}`);
    for (const histogram of family.histograms) buckets(family.name, histogram, lines);
  }
  if (format === "openmetrics") lines.push("# EOF");
  return lines.length === 0 ? "" : `${lines.join("\n")}\n`;
}

/**
 * Which format the Accept header of a scrape prefers; the plain one unless OpenMetrics 1.0.0 is asked for by name and at
 * least as much as plain text.
 */
export function formatFor(accept: string | undefined): ExpositionFormat {
  let openMetrics = 0;
  let text = 0;
  for (const range of (accept ?? "").split(",")) {
    const [type = "", ...parameters] = range.split(";").map((part) => part.trim().toLowerCase());
    const parameter = (name: string) =>
      parameters
        .find((one) => one.startsWith(`${name}=`))
        ?.slice(name.length + 1)
        .replaceAll('"', "");
    const quality = Number(parameter("q") ?? "1");
    if (!(quality > 0)) continue;
    if (type === "application/openmetrics-text" && (parameter("version") ?? "1.0.0") === "1.0.0") {
      openMetrics = Math.max(openMetrics, quality);
    } else if (type === "text/plain") {
      text = Math.max(text, quality);
    }
  }
  return openMetrics > 0 && openMetrics >= text ? "openmetrics" : "text";
}

/** `a="x",b="y"`, with the values escaped. */
export function labelText(names: readonly string[], values: readonly string[]): string {
  return names.map((name, index) => `${name}="${escapeQuoted(values[index] ?? "")}"`).join(",");
}

/** A label value as it can be shown: valid Unicode, not endless. */
export function plainText(value: string): string {
  const wellFormed = value.replace(/\p{Surrogate}/gu, "\ufffd");
  if (wellFormed.length <= MAX_LABEL_LENGTH) return wellFormed;
  // A pair that the cut would halve loses its first half, too.
  return `${wellFormed.slice(0, MAX_LABEL_LENGTH).replace(/\p{Surrogate}/gu, "")}…`;
}

function head({ name, spec }: FamilyView, format: ExpositionFormat, lines: string[]): void {
  if (format === "text") {
    lines.push(`# HELP ${name} ${escapePlain(spec.help)}`, `# TYPE ${name} ${spec.type}`);
    return;
  }
  const family = spec.type === "counter" ? name.replace(/_total$/, "") : name;
  lines.push(`# HELP ${family} ${escapeQuoted(spec.help)}`, `# TYPE ${family} ${spec.type}`);
  if (spec.unit !== "") lines.push(`# UNIT ${family} ${spec.unit}`);
}

function buckets(name: string, { labels, bounds, counts, sum }: HistogramView, lines: string[]): void {
  let cumulative = 0;
  for (let bucket = 0; bucket < counts.length; bucket++) {
    cumulative += counts[bucket]!;
    const le = `le="${boundText(bounds[bucket] ?? Number.POSITIVE_INFINITY)}"`;
    lines.push(`${name}_bucket{${labels === "" ? le : `${labels},${le}`}} ${cumulative}`);
  }
  lines.push(`${name}_sum${braced(labels)} ${numberText(sum)}`, `${name}_count${braced(labels)} ${cumulative}`);
}

function braced(labels: string): string {
  return labels === "" ? "" : `{${labels}}`;
}

function numberText(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return "+Inf";
  if (value === Number.NEGATIVE_INFINITY) return "-Inf";
  return String(value);
}

/** OpenMetrics wants whole bounds as floats; the same series must come in both formats. */
function boundText(bound: number): string {
  return Number.isInteger(bound) ? `${bound}.0` : numberText(bound);
}

function escapePlain(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

function escapeQuoted(text: string): string {
  return escapePlain(text).replaceAll('"', '\\"');
}
